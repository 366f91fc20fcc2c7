"""What hooks tell when Helm is done: status, Event, metrics; and that they nudge gateways that are behind."""

from __future__ import annotations

from tests.hooks.run import filtered, run
from tests.unit.world import DIRECT

BEFORE = {"binding": "beforeHelm", "snapshots": {"pki": [], "users": [], "state": []}}


def test_status_is_published_with_an_event_and_metrics() -> None:
    switched = run("switch_mode", {"mode": "Unmanaged"}, BEFORE)
    published = run("publish_status", switched.values["registry"], {"binding": "afterHelm"})
    patch, event = published.operations
    assert (patch["kind"], patch["name"], patch["subresource"]) == ("Registry", "main", "status")
    shown = switched.internal["status"]
    assert patch["mergePatch"]["status"] == {**shown, "imageCheck": None, "store": None}
    assert (shown["imageCheck"], shown["store"]) == ({}, {})
    assert (event["operation"], event["object"]["kind"]) == ("CreateIfNotExists", "Event")
    assert "registry_switch_condition" in {metric.get("name") for metric in published.metrics}


def test_series_of_gateways_that_are_gone_vanish() -> None:
    switched = run("switch_mode", {"mode": "Unmanaged"}, BEFORE)
    published = run("publish_status", switched.values["registry"], {"binding": "afterHelm"}).metrics
    expired = [metric["group"] for metric in published if metric["action"] == "expire"]
    assert expired == ["registry_switch", "registry_replicas"]
    assert {metric["group"] for metric in published if metric["action"] == "set"} == {"registry_switch"}
    assert [metric["action"] for metric in published[:2]] == ["expire", "expire"]


def test_what_gateways_report_of_stores_and_upstreams_is_published_as_metrics() -> None:
    store = {"error": "", "full": True, "failed": 0, "damaged": 0, "repaired": 0}
    switched = run("switch_mode", {"mode": "Local"}, BEFORE).values["registry"]
    switched["internal"]["facts"] = {"replicas": [{"node": "m1", "store": store, "unreachable": ["h"]}]}
    published = run("publish_status", switched, {"binding": "afterHelm"})
    found = {metric["name"]: metric["value"] for metric in published.metrics if metric["action"] == "set"}
    assert (found["registry_replica_store_full"], found["registry_replica_upstreams_unreachable"]) == (1, 1)


def test_gateway_pods_are_nudged_exactly_when_they_are_behind() -> None:
    pods = [
        {"metadata": {"name": f"gw-{node}", "annotations": annotations}, "spec": {"nodeName": node}}
        for node, annotations in (("m1", {"registry.deckhouse.io/config-version": "new"}), ("m2", None), ("m3", None))
    ]
    reports = [{"metadata": {"name": "m1"}}, {"metadata": {"name": "m3"}, "status": {"configVersion": "new"}}]
    snapshots = {
        "pods": filtered("nudge_gateways", "pods", *pods),
        "reports": filtered("nudge_gateways", "reports", *reports),
    }
    values = {**DIRECT, "internal": {"facts": {}, "gateway": {"version": "new"}}}
    result = run("nudge_gateways", values, {"binding": "nudge", "snapshots": snapshots})
    told = {
        op["name"]: op["mergePatch"]["metadata"]["annotations"]["registry.deckhouse.io/config-version"]
        for op in result.operations
    }
    assert told == {"gw-m1": "new.1", "gw-m2": "new"}
