"""Object operations and metrics of hooks (hook contract, section 7)."""

import json
from typing import Any

import pytest

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.objects import config_map, namespace
from tests.operator.waiting import Start
from tests.platform.operator.kube_ops import OperationError, apply
from tests.platform.operator.life import Life
from tests.platform.operator.metrics import MetricError, Metrics


@pytest.fixture
def place(api: ApiServer, demo: Demo) -> str:
    """A namespace."""
    api.create(namespace(f"ops-{demo.name}"))
    return f"ops-{demo.name}"


def _apply(api: ApiServer, *operations: dict[str, Any]) -> None:
    apply(operations, cluster=api.cluster, life=Life())


def _map(place: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "namespace": place, "name": "one", **more}


def _data(api: ApiServer, place: str) -> Any:
    found = api.get("v1", "ConfigMap", place, "one")
    return found and found.get("data")


def test_create_family_differs_when_the_object_exists(api: ApiServer, place: str) -> None:
    first, second = config_map(place, "one", {"a": "1"}), config_map(place, "one", {"b": "2"})
    _apply(api, {"operation": "Create", "object": first})
    with pytest.raises(OperationError, match='Create ConfigMap/one: configmaps "one" already exists'):
        _apply(api, {"operation": "Create", "object": second})
    _apply(api, {"operation": "CreateIfNotExists", "object": second})
    assert _data(api, place) == {"a": "1"}
    _apply(api, {"operation": "CreateOrUpdate", "object": json.dumps(second)})
    assert _data(api, place) == {"a": "1", "b": "2"}


def test_patches_change_one_object(api: ApiServer, place: str) -> None:
    api.create(config_map(place, "one", {"a": "1"}))
    _apply(api, _map(place, operation="MergePatch", mergePatch={"data": {"a": None, "b": "2"}}))
    _apply(api, _map(place, operation="JSONPatch", jsonPatch=[{"op": "add", "path": "/data/c", "value": "3"}]))
    _apply(api, _map(place, operation="JQPatch", jqFilter='.data.d = "4"'))
    assert _data(api, place) == {"b": "2", "c": "3", "d": "4"}


def test_subresource_is_patched_apart_from_the_object(api: ApiServer, place: str) -> None:
    api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": place}})
    target = {"operation": "MergePatch", "kind": "Node", "name": place, "namespace": None}
    condition = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    _apply(api, {**target, "mergePatch": {"metadata": {"labels": {"a": "b"}}, **condition}})
    node = api.get("v1", "Node", "", place)
    assert node is not None
    assert "conditions" not in node["status"]
    _apply(api, {**target, "subresource": "status", "mergePatch": condition})
    node = api.get("v1", "Node", "", place)
    assert node is not None
    assert node["status"]["conditions"][0]["status"] == "True"


def test_missing_object_fails_a_patch_unless_it_is_ignored(api: ApiServer, place: str) -> None:
    patch = _map(place, operation="MergePatch", mergePatch={"data": {}})
    with pytest.raises(OperationError, match="not found"):
        _apply(api, patch)
    _apply(api, {**patch, "ignoreMissingObject": True})


@pytest.mark.parametrize("operation", ["Delete", "DeleteInBackground", "DeleteNonCascading"])
def test_deleting_what_is_missing_is_no_error(api: ApiServer, place: str, operation: str) -> None:
    _apply(api, _map(place, operation=operation))


@pytest.mark.parametrize("operation", ["DeleteInBackground"])
def test_deleting_removes_the_object(api: ApiServer, place: str, operation: str) -> None:
    api.create(config_map(place, "one"))
    _apply(api, _map(place, operation=operation))
    assert _data(api, place) is None


@pytest.mark.parametrize(
    "operation",
    [
        {"operation": "Replace", "object": {}},
        {"operation": "Create"},
        {"operation": "MergePatch", "kind": "ConfigMap", "name": "one", "mergePatch": {}, "ignoreMissing": True},
        {"operation": "JSONPatch", "kind": "ConfigMap", "name": "one", "jsonPatch": {}},
    ],
)
def test_malformed_operation_is_refused_before_any_is_carried_out(
    api: ApiServer, place: str, operation: dict[str, Any]
) -> None:
    with pytest.raises(OperationError):
        _apply(api, {"operation": "Create", "object": config_map(place, "one")}, operation)
    assert _data(api, place) is None


def test_config_values_patch_is_saved_in_the_module_config(api: ApiServer, demo: Demo, start: Start) -> None:
    body = """
    line = {"op": "add", "path": f"/{key}/color", "value": "Blue"}
    if values[key]["color"] == "Red":
        write("CONFIG_VALUES_JSON_PATCH_PATH", line)
    """
    demo.hook("setter.py", {"beforeHelm": 1}, body)
    api.create(demo.config(low=2))
    operator = start()
    operator.wait_converged(60)
    config = api.get("deckhouse.io/v1alpha1", "ModuleConfig", "", demo.name)
    assert config is not None
    assert config["spec"]["settings"] == {"low": 2, "color": "Blue"}
    assert operator.values()[demo.key]["color"] == "Blue"


def test_grouped_series_vanish_with_the_next_batch_of_their_group() -> None:
    metrics = Metrics()
    line = {"name": "m", "action": "set", "value": 1, "group": "g"}
    metrics.send([{**line, "labels": {"node": "a"}}, {**line, "labels": {"node": "b"}}], hook="h")
    metrics.send([{"name": "free", "action": "add", "value": 2}, {"name": "free", "add": 1}], hook="h")
    metrics.send([{**line, "labels": {"node": "b"}, "value": 7}], hook="h")
    assert [(s.labels["node"], s.value) for s in metrics.series("m")] == [("b", 7.0)]
    assert metrics.value("free", hook="h") == 3
    metrics.send([{"action": "expire", "group": "g"}], hook="h")
    assert metrics.series("m") == []


def test_metrics_render_as_prometheus_reads_them() -> None:
    metrics = Metrics()
    metrics.send([{"name": "g", "set": 1.5, "labels": {"x": 'a"b'}}])
    observe = {"name": "h", "action": "observe", "buckets": [1, 5]}
    metrics.send([{**observe, "value": 0.5}, {**observe, "value": 3}])
    assert metrics.render().splitlines() == [
        "# TYPE g gauge",
        'g{x="a\\"b"} 1.5',
        "# TYPE h histogram",
        'h_bucket{le="1"} 1',
        'h_bucket{le="5"} 2',
        'h_bucket{le="+Inf"} 2',
        "h_sum 3.5",
        "h_count 2",
    ]


@pytest.mark.parametrize(
    "line",
    [{"name": "m"}, {"action": "expire"}, {"name": "m", "set": "1"}, {"name": "m", "action": "observe", "value": 1}],
)
def test_metric_that_is_not_understood_changes_nothing(line: dict[str, Any]) -> None:
    metrics = Metrics()
    with pytest.raises(MetricError):
        metrics.send([{"name": "good", "set": 1}, line])
    assert metrics.series() == []
