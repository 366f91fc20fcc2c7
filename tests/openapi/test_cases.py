"""Settings that the schema and CEL accept or refuse: the table of openapi-case-tests.yaml, and the Russian twin."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.platform.operator import schema

ROOT = Path(__file__).parents[2]
CASES: dict[str, Any] = yaml.safe_load((ROOT / "openapi/openapi-case-tests.yaml").read_text())


def problems(kind: str, case: dict[str, Any]) -> list[str]:
    if kind == "configValues":
        return schema.validate_settings(ROOT, case)
    rules = schema.load_schema(ROOT, "values.yaml")
    value = copy.deepcopy(case)
    schema.apply_defaults(value, rules)
    return schema.problems(rules, value, "registry")


def table(verdict: str) -> list[Any]:
    return [
        pytest.param(kind, case, id=f"{kind}-{i}")
        for kind in CASES[verdict]
        for i, case in enumerate(CASES[verdict][kind])
    ]


@pytest.mark.parametrize(("kind", "case"), table("positive"))
def test_right_values_are_accepted(kind: str, case: dict[str, Any]) -> None:
    assert problems(kind, case) == []


@pytest.mark.parametrize(("kind", "case"), table("negative"))
def test_wrong_values_are_refused_with_a_named_field(kind: str, case: dict[str, Any]) -> None:
    found = problems(kind, case)
    assert found
    assert all(message.startswith("registry") or ":" in message for message in found)


def test_message_of_a_refusal_names_what_to_type() -> None:
    case = {"mode": "Direct", "direct": {"host": "h", "path": "/p", "user": "u"}}
    assert any("user and password: give both or none" in message for message in problems("configValues", case))


@pytest.mark.parametrize(
    "name", ["openapi/{}config-values.yaml", "crds/{}registry.yaml", "crds/{}registryreplica.yaml"]
)
def test_russian_descriptions_cover_the_same_fields(name: str) -> None:
    english, russian = (yaml.safe_load((ROOT / name.format(prefix)).read_text()) for prefix in ("", "doc-ru-"))
    assert documented(english) == documented(russian)


def documented(node: Any, path: str = "") -> set[str]:
    """Paths that carry a description, in schemas and CRDs alike."""
    if isinstance(node, list):
        return {found for i, child in enumerate(node) for found in documented(child, f"{path}/{i}")}
    if not isinstance(node, dict):
        return set()
    own = {path} if isinstance(node.get("description"), str) else set()
    return own.union(*(documented(child, f"{path}/{key}") for key, child in node.items()))
