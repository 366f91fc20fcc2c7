"""Schemas of settings: strictness, defaults, CEL, and messages that name the field (module layout, section 3)."""

from typing import Any

import pytest

from tests.operator.demo import CONFIG_SCHEMA, Demo
from tests.platform.operator import validate_settings


def _with(demo: Demo, **properties: Any) -> None:
    schema = {**CONFIG_SCHEMA, "properties": {**CONFIG_SCHEMA["properties"], **properties}}
    demo.yaml("openapi/config-values.yaml", schema)


@pytest.mark.parametrize("settings", [None, {}, {"color": "Blue"}, {"low": 10}, {"password": "abc-1"}])
def test_good_settings_have_no_errors(demo: Demo, settings: dict[str, Any] | None) -> None:
    assert validate_settings(demo.folder, settings) == []


@pytest.mark.parametrize(
    ("settings", "errors"),
    [
        ({"color": "Green"}, ["KEY.color should be one of ['Red', 'Blue']"]),
        ({"colour": "Red", "size": 1}, ["KEY.colour is a forbidden property", "KEY.size is a forbidden property"]),
        ({"low": "1"}, ["KEY.low must be of type integer"]),
        ({"password": "Secret Word"}, ["KEY.password should match '^[a-z0-9-]+$'"]),
        ({"low": 11}, ["KEY: low must not exceed high"]),
        ({"low": 5, "high": 4}, ["KEY: low must not exceed high"]),
    ],
)
def test_wrong_settings_name_the_field_and_never_the_value(
    demo: Demo, settings: dict[str, Any], errors: list[str]
) -> None:
    assert validate_settings(demo.folder, settings) == [error.replace("KEY", demo.key) for error in errors]


def test_every_missing_property_is_named_once(demo: Demo) -> None:
    _with(demo, server={"type": "object", "required": ["host", "port"], "properties": {"host": {}, "port": {}}})
    found = validate_settings(demo.folder, {"server": {}})
    assert found == [f"{demo.key}.server.host is required", f"{demo.key}.server.port is required"]


def test_nested_objects_are_closed_unless_they_say_otherwise(demo: Demo) -> None:
    nested = {"type": "object", "properties": {"a": {"type": "string"}}}
    _with(demo, shut=nested, ajar={**nested, "additionalProperties": True}, many={"type": "array", "items": nested})
    assert validate_settings(demo.folder, {"ajar": {"b": 1}}) == []
    assert validate_settings(demo.folder, {"shut": {"b": 1}, "many": [{"a": "x"}, {"b": 1}]}) == [
        f"{demo.key}.many[1].b is a forbidden property",
        f"{demo.key}.shut.b is a forbidden property",
    ]


def test_defaults_reach_into_what_exists_before_rules_are_checked(demo: Demo) -> None:
    port = {"type": "integer", "default": 0}
    rule = {"expression": "self.port > 0", "message": "port must be above 0"}
    server = {"type": "object", "properties": {"port": port}, "x-deckhouse-validations": [rule]}
    _with(demo, server=server)
    assert validate_settings(demo.folder, {}) == []
    assert validate_settings(demo.folder, {"server": {}}) == [f"{demo.key}.server: port must be above 0"]


def test_rules_inside_lists_and_maps_are_checked(demo: Demo) -> None:
    rule = {"expression": "self.startsWith('x')", "message": "begin with x"}
    item = {"type": "string", "x-deckhouse-validations": [rule]}
    _with(demo, many={"type": "array", "items": item}, map={"type": "object", "additionalProperties": item})
    assert validate_settings(demo.folder, {"many": ["xa", "b"], "map": {"k": "c"}}) == [
        f"{demo.key}.many[1]: begin with x",
        f"{demo.key}.map.k: begin with x",
    ]


def test_rule_about_the_old_value_applies_to_changes_only(demo: Demo) -> None:
    rule = {"expression": "self.low >= oldSelf.low", "message": "low may only grow"}
    demo.yaml("openapi/config-values.yaml", {**CONFIG_SCHEMA, "x-deckhouse-validations": [rule]})
    assert validate_settings(demo.folder, {"low": 2}) == []
    assert validate_settings(demo.folder, {"low": 2}, old={"low": 1}) == []
    assert validate_settings(demo.folder, {"low": 2}, old={"low": 3}) == [f"{demo.key}: low may only grow"]


def test_rule_that_cannot_be_evaluated_is_a_violation(demo: Demo) -> None:
    rule = {"expression": "self.password.size() > 3", "message": ""}
    demo.yaml("openapi/config-values.yaml", {**CONFIG_SCHEMA, "x-deckhouse-validations": [rule]})
    (found,) = validate_settings(demo.folder, {})
    assert "self.password.size() > 3" in found


def test_null_is_accepted_where_the_schema_says_nullable(demo: Demo) -> None:
    _with(demo, maybe={"type": "string", "nullable": True, "enum": ["A"]}, never={"type": "string"})
    assert validate_settings(demo.folder, {"maybe": None}) == []
    assert validate_settings(demo.folder, {"never": None}) == [f"{demo.key}.never must be of type string"]


def test_schema_of_the_older_drafts_bounds_is_understood(demo: Demo) -> None:
    _with(demo, share={"type": "number", "minimum": 0, "exclusiveMinimum": True})
    assert validate_settings(demo.folder, {"share": 0.5}) == []
    assert validate_settings(demo.folder, {"share": 0}) == [f"{demo.key}.share must satisfy minimum: 0"]
