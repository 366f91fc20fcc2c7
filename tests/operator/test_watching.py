"""What a kubernetes binding sees and when it runs its hook (hook contract, sections 5 and 12, row 6)."""

from typing import Any

import pytest

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.objects import config_map, namespace, watch
from tests.operator.waiting import Start, wait_for
from tests.platform.operator import Operator

COLLECT = """
found = contexts[-1].get("snapshots", {}).get("maps", [])
patch("add", f"/{key}/internal/seen", [item["filterResult"]["name"] for item in found])
"""


@pytest.fixture
def place(api: ApiServer, demo: Demo) -> str:
    """A namespace."""
    name = f"watched-{demo.name}"
    api.create(namespace(name, team=demo.name))
    return name


def _run(api: ApiServer, demo: Demo, start: Start, binding: dict[str, Any]) -> Operator:
    demo.hook("collect.py", {"kubernetes": [{**binding, "includeSnapshotsFrom": ["maps"]}]}, COLLECT)
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    return operator


def _seen(operator: Operator, demo: Demo) -> list[str]:
    return list(operator.values()[demo.key]["internal"].get("seen", []))


def test_change_outside_the_filter_runs_nothing(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    api.create(config_map(place, "one"))
    operator = _run(api, demo, start, watch(place))
    runs, revision = len(operator.hook_runs()), operator.helm_revision()
    api.merge({**config_map(place, "one"), "metadata": {"namespace": place, "name": "one", "annotations": {"a": "b"}}})
    api.create(config_map(place, "two"))
    wait_for(lambda: _seen(operator, demo) == ["one", "two"])
    operator.wait_converged(60)
    assert [run.contexts[0]["watchEvent"] for run in operator.hook_runs()[runs:]] == ["Added"]
    assert operator.helm_revision() == revision + 1


def test_only_asked_for_events_run_the_hook(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    operator = _run(api, demo, start, watch(place, executeHookOnEvent=["Deleted"]))
    api.create(config_map(place, "one"))
    api.merge(config_map(place, "one", {"x": "1"}))
    api.create(config_map(place, "two"))
    api.delete("v1", "ConfigMap", place, "one")
    wait_for(lambda: _seen(operator, demo) == ["two"])
    assert [run.contexts[0].get("watchEvent") for run in operator.hook_runs()] == [None, "Deleted"]


def test_label_selector_tells_added_when_an_object_begins_to_match(
    api: ApiServer, demo: Demo, start: Start, place: str
) -> None:
    rule = {"key": "role", "operator": "In", "values": ["main", "other"]}
    api.create(config_map(place, "one"))
    operator = _run(api, demo, start, watch(place, labelSelector={"matchExpressions": [rule]}))
    assert _seen(operator, demo) == []
    api.merge(config_map(place, "one", role="main"))
    wait_for(lambda: _seen(operator, demo) == ["one"])
    api.merge({**config_map(place, "one"), "metadata": {"namespace": place, "name": "one", "labels": {"role": None}}})
    wait_for(lambda: _seen(operator, demo) == [])
    events = [run.contexts[-1].get("watchEvent") for run in operator.hook_runs()]
    assert events == [None, "Added", "Deleted"]


def test_name_and_field_selectors_restrict_the_watch(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    for name in ("one", "two", "three"):
        api.create(config_map(place, name))
    rule = {"field": "metadata.name", "operator": "NotEquals", "value": "two"}
    binding = watch(place, nameSelector={"matchNames": ["two", "three"]}, fieldSelector={"matchExpressions": [rule]})
    operator = _run(api, demo, start, binding)
    assert _seen(operator, demo) == ["three"]


def test_namespaces_are_followed_by_label(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    api.create(config_map(place, "one"))
    operator = _run(api, demo, start, watch(place, namespace={"labelSelector": {"matchLabels": {"team": demo.name}}}))
    assert _seen(operator, demo) == ["one"]
    api.create(namespace(f"later-{demo.name}", team=demo.name))
    api.create(config_map(f"later-{demo.name}", "two"))
    wait_for(lambda: sorted(_seen(operator, demo)) == ["one", "two"])
    api.merge({**namespace(place), "metadata": {"name": place, "labels": {"team": None}}})
    api.create(config_map(f"later-{demo.name}", "three"))
    wait_for(lambda: _seen(operator, demo) == ["three", "two"])


def test_kind_without_version_takes_the_preferred_one(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    binding = watch(place)
    del binding["apiVersion"]
    api.create(config_map(place, "one"))
    assert _seen(_run(api, demo, start, binding), demo) == ["one"]


def test_unknown_kind_is_tried_again_until_it_is_served(api: ApiServer, demo: Demo, start: Start) -> None:
    plural = f"things{demo.name.replace('-', '')}"
    names = {"plural": plural, "kind": "Thing"}
    version = {"name": "v1", "served": True, "storage": True}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": [{**version, "schema": schema}]}
    demo.hook("early.py", {"kubernetes": [{"name": "things", "apiVersion": "example.com/v1", "kind": plural}]})
    api.create(demo.config())
    operator = start()
    wait_for(lambda: "does not serve" in operator.queue_errors().get("main", ""))
    meta = {"name": f"{plural}.example.com"}
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    api.create({**kind, "metadata": meta, "spec": spec})
    operator.wait_converged(60)
    assert [run.hook for run in operator.hook_runs()] == ["hooks/early.py"]


def test_failing_filter_on_an_event_skips_the_object(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    lines: list[str] = []
    demo.hook("strict.py", {"kubernetes": [watch(place, jqFilter=".data.n | tonumber")]})
    api.create(demo.config())
    operator = start(on_log=lines.append)
    operator.wait_converged(60)
    api.create(config_map(place, "bad", {"n": "none"}))
    api.create(config_map(place, "good", {"n": "7"}))
    wait_for(lambda: len(operator.hook_runs()) == 2)
    assert operator.hook_runs()[-1].contexts[0]["filterResult"] == 7
    assert any("jqFilter failed" in line for line in lines)
