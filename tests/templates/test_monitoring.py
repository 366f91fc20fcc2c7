"""Alerts: rendered where the platform has Prometheus, of series that hooks publish, each with what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lib.registry_module import replica_metrics
from tests.templates.render import render, values_of
from tests.templates.test_render import direct

WHOLE = {"error": "", "full": False, "failed": 0, "damaged": 0, "repaired": 0}
PUBLISHED = {one["name"] for one in replica_metrics.series([{"node": "m1", "store": WHOLE}])}


def rendered(folder: Path, *modules: str) -> list[dict[str, Any]]:
    values = values_of(direct())
    values["global"] = {**values["global"], "enabledModules": list(modules)}
    return [item for item in render(values, folder) if item["kind"] == "PrometheusRule"]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    (item,) = rendered(tmp_path_factory.mktemp("values"), "operator-prometheus")
    found: list[dict[str, Any]] = [rule for group in item["spec"]["groups"] for rule in group["rules"]]
    return found


def test_rules_are_where_the_platform_looks_for_them(tmp_path: Path) -> None:
    (item,) = rendered(tmp_path, "operator-prometheus-crd")
    assert item["metadata"]["namespace"] == "d8-system"
    assert item["metadata"]["labels"]["prometheus"] == "main"


def test_without_prometheus_there_are_no_rules(tmp_path: Path) -> None:
    assert rendered(tmp_path) == []


def test_every_series_that_hooks_publish_has_an_alert_and_no_alert_has_another(rules: list[dict[str, Any]]) -> None:
    assert {name for rule in rules for name in re.findall(r"registry_\w+", rule["expr"])} == PUBLISHED


def test_alerts_have_the_platform_s_form_and_say_what_to_do(rules: list[dict[str, Any]]) -> None:
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert re.fullmatch(r"D8Registry[A-Za-z]+", rule["alert"])
        assert {"severity_level", "tier", "d8_module"} <= set(rule["labels"])
        assert {"summary", "description", "plk_protocol_version", "plk_markup_format"} <= set(rule["annotations"])
        assert "{{ $labels.node }}" in rule["annotations"]["summary"]
        assert (
            "kubectl get registryreplica" in rule["annotations"]["description"]
            or "Free the disk" in rule["annotations"]["description"]
        )
        assert re.fullmatch(r"[0-9]+m", rule["for"])
