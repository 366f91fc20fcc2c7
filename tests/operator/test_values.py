"""Values: layers, strict patches, their compacted log, validation (hook contract, section 7)."""

from typing import Any

import pytest

from tests.operator.demo import VALUES_SCHEMA, Demo
from tests.platform.operator.patches import PatchError, compact
from tests.platform.operator.values import Values, ValuesError


@pytest.fixture
def values(demo: Demo) -> Values:
    """Values of the demo module."""
    return Values(module_dir=demo.folder, module_name=demo.name, injected={"base": "registry.example.com/modules"})


def _add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def test_effective_has_settings_defaults_and_what_is_injected(values: Values, demo: Demo) -> None:
    values.set_settings({"color": "Blue"})
    values.set_global({"zone": "a"})
    assert values.effective() == {
        "global": {"zone": "a"},
        demo.key: {
            "color": "Blue",
            "low": 1,
            "high": 10,
            "internal": {},
            "registry": {"base": "registry.example.com/modules"},
        },
    }


def test_config_values_hold_user_settings_only_and_null_without_them(values: Values, demo: Demo) -> None:
    assert values.config_values() == {"global": None, demo.key: None}
    values.set_settings({"color": "Blue"})
    assert values.config_values() == {"global": None, demo.key: {"color": "Blue"}}


def test_static_values_of_the_module_lie_below_the_users(demo: Demo) -> None:
    demo.yaml("values.yaml", {demo.key: {"color": "Blue", "low": 3}})
    values = Values(module_dir=demo.folder, module_name=demo.name, injected=None)
    values.set_settings({"low": 4})
    section = values.effective()[demo.key]
    assert (section["color"], section["low"]) == ("Blue", 4)


def test_wrong_settings_are_refused_and_the_old_ones_stay(values: Values, demo: Demo) -> None:
    values.set_settings({"low": 2})
    with pytest.raises(ValuesError, match=f"{demo.key}.color should be one of"):
        values.set_settings({"color": "Green"})
    assert values.config_values()[demo.key] == {"low": 2}


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"op": "replace", "path": "/KEY/internal", "value": {}}, "unsupported patch operation 'replace'"),
        ({"op": "test", "path": "/KEY/internal", "value": {}}, "unsupported patch operation 'test'"),
        ({"op": "add", "path": "/KEY/internal/count"}, "unsupported patch operation 'add'"),
        (_add("/global/x", 1), "only /KEY is accepted"),
        (_add("/KEYED/x", 1), "only /KEY is accepted"),
        (_add("/KEY/missing/count", 1), "does not apply: path /KEY/missing/count"),
        ({"op": "remove", "path": "/KEY/internal/count"}, "does not apply: path /KEY/internal/count"),
        (_add("/KEY/internal/labels/a/b", "1"), "does not apply"),
    ],
)
def test_patch_that_is_not_allowed_or_does_not_apply_changes_nothing(
    values: Values, demo: Demo, operation: dict[str, Any], reason: str
) -> None:
    before = values.effective()
    good = _add(f"/{demo.key}/internal/seen", ["x"])
    wrong = {**operation, "path": operation["path"].replace("KEY", demo.key)}
    with pytest.raises(PatchError, match=reason.replace("KEY", demo.key)):
        values.apply([good, wrong])
    assert values.effective() == before


def test_unknown_key_in_a_patch_is_a_forbidden_property(values: Values, demo: Demo) -> None:
    with pytest.raises(ValuesError, match=rf"{demo.key}\.internal\.secret is a forbidden property"):
        values.apply([_add(f"/{demo.key}/internal/secret", "x")])


def test_patches_are_replayed_over_new_settings_and_lost_paths_are_passed_over(values: Values, demo: Demo) -> None:
    values.set_settings({"password": "old"})
    values.apply([{"op": "remove", "path": f"/{demo.key}/password"}, _add(f"/{demo.key}/internal/count", 1)])
    values.set_settings({"low": 5})
    section = values.effective()[demo.key]
    assert (section["low"], section["internal"]) == (5, {"count": 1})
    values.forget_patches()
    assert values.effective()[demo.key]["internal"] == {}


def test_compact_keeps_the_last_operation_per_path_sorted() -> None:
    log = [_add("/m/b", 1), _add("/m/a", 1), _add("/m/b", 2), {"op": "remove", "path": "/m/a"}]
    assert compact(log) == [{"op": "remove", "path": "/m/a"}, _add("/m/b", 2)]


def test_compact_drops_what_lies_below_a_later_operation_on_a_parent() -> None:
    log = [_add("/m/i/a", 1), _add("/m/i/b/c", 1), _add("/m/ix", 1), _add("/m/i", {}), _add("/m/i/d", 1)]
    assert compact(log) == [_add("/m/i", {}), _add("/m/i/d", 1), _add("/m/ix", 1)]


def test_values_for_helm_need_what_the_schema_requires_for_helm(demo: Demo) -> None:
    internal = {**VALUES_SCHEMA["properties"]["internal"], "x-required-for-helm": ["count"]}
    properties = {**VALUES_SCHEMA["properties"], "internal": internal}
    demo.yaml("openapi/values.yaml", {**VALUES_SCHEMA, "properties": properties})
    values = Values(module_dir=demo.folder, module_name=demo.name, injected=None)
    values.apply([_add(f"/{demo.key}/internal/seen", [])])
    with pytest.raises(ValuesError, match=rf"{demo.key}\.internal\.count is required"):
        values.for_helm()
    values.apply([_add(f"/{demo.key}/internal/count", 1)])
    assert values.for_helm()[demo.key]["internal"] == {"seen": [], "count": 1}


def test_cel_rules_of_the_settings_hold_for_values_too(values: Values, demo: Demo) -> None:
    with pytest.raises(ValuesError, match="low must not exceed high"):
        values.apply([_add(f"/{demo.key}/high", 0)])
