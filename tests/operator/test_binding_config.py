"""Binding configuration v1: what is accepted, what is a load error (hook contract, section 5)."""

import json
from typing import Any

import pytest

from tests.platform.operator.binding_config import BindingConfigError, parse, seconds

NODES: dict[str, Any] = {"name": "nodes", "kind": "Node"}


def _parse(**config: Any) -> Any:
    return parse(json.dumps({"configVersion": "v1", **config}))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, "non-empty|enough properties"),
        ({"onStartUp": 1}, "'onStartUp' was unexpected"),
        ({"beforeAll": 1}, "'beforeAll' was unexpected"),
        ({"onStartup": "first"}, "not of type 'integer'"),
        ({"kubernetes": [{"name": "x"}]}, "'kind' is a required property"),
        ({"kubernetes": [{**NODES, "jqfilter": "."}]}, "'jqfilter' was unexpected"),
        ({"kubernetes": [{**NODES, "executeHookOnEvent": ["Created"]}]}, "'Created' is not one of"),
        ({"kubernetes": [{**NODES, "jqFilter": ".["}]}, "jqFilter does not compile"),
        ({"kubernetes": [{**NODES, "namespace": {"matchNames": ["x"]}}]}, "'matchNames' was unexpected"),
        ({"kubernetes": [{**NODES, "includeSnapshotsFrom": ["pods"]}]}, "no kubernetes binding 'pods'"),
        (
            {"kubernetes": [NODES, NODES], "schedule": [{"crontab": "* * * * *", "includeSnapshotsFrom": ["nodes"]}]},
            "2 b",
        ),
        ({"schedule": [{"name": "x"}]}, "'crontab' is a required property"),
        ({"schedule": [{"crontab": "* * * *"}]}, "5 or 6 fields"),
        ({"schedule": [{"crontab": "61 * * * *"}]}, "out of range"),
        ({"beforeHelm": 1, "settings": {"executionMinInterval": "3s"}}, "go together"),
        ({"beforeHelm": 1, "settings": {"executionBurst": 1}}, "go together"),
        ({"beforeHelm": 1, "settings": {"executionMinPeriod": "3s"}}, "'executionMinPeriod' was unexpected"),
        ({"beforeHelm": 1, "settings": {"executionMinInterval": "3", "executionBurst": 1}}, "not a duration"),
    ],
)
def test_wrong_configuration_is_a_load_error(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(BindingConfigError, match=reason):
        _parse(**config)


def test_other_version_is_a_load_error() -> None:
    with pytest.raises(BindingConfigError, match="is not one of"):
        parse("configVersion: v2\nonStartup: 1\n")


def test_defaults_are_those_of_the_contract() -> None:
    binding = _parse(kubernetes=[{"kind": "Pod"}]).kubernetes[0]
    assert binding.name == "kubernetes"
    assert binding.queue == "main"
    assert binding.events == {"Added", "Modified", "Deleted"}
    assert binding.on_synchronization
    assert binding.wait_for_synchronization
    assert binding.keep_full_objects
    assert not binding.allow_failure


def test_watch_event_is_an_alias() -> None:
    assert _parse(kubernetes=[{**NODES, "watchEvent": ["Added"]}]).kubernetes[0].events == {"Added"}


def test_synchronization_in_the_main_queue_is_always_waited_for() -> None:
    config = _parse(
        kubernetes=[
            {**NODES, "waitForSynchronization": False},
            {"kind": "Pod", "name": "p", "queue": "/q"},
            {"kind": "Secret", "name": "s", "queue": "/q", "waitForSynchronization": False},
        ]
    )
    assert [binding.wait_for_synchronization for binding in config.kubernetes] == [True, True, False]


def test_group_adds_the_snapshots_of_its_bindings() -> None:
    config = _parse(
        kubernetes=[{**NODES, "group": "g"}, {"name": "pods", "kind": "Pod", "group": "g"}],
        schedule=[{"crontab": "*/5 * * * * *", "group": "g"}],
    )
    assert [b.include_snapshots for b in (*config.kubernetes, *config.schedules)] == [("nodes", "pods")] * 3


def test_webhook_bindings_are_accepted_and_said_not_to_be_served() -> None:
    config = _parse(kubernetesValidating=[{"name": "x.example.com", "rules": [{"apiGroups": [""]}]}])
    assert config.not_served == ("kubernetesValidating",)


@pytest.mark.parametrize(("text", "expected"), [("3s", 3.0), ("1m30s", 90.0), ("500ms", 0.5), ("1.5h", 5400.0)])
def test_seconds_reads_go_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected
