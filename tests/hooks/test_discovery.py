"""Discovery hooks: objects through the real jqFilter become facts, defensively."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hooks import objects
from tests.hooks.run import filtered, run


def group(name: str, **snapshots: list[dict[str, Any]]) -> dict[str, Any]:
    return {"binding": name, "type": "Group", "snapshots": snapshots}


def test_nodes_become_grouped_facts() -> None:
    passed = {"canary": {"ok": True}}
    nodes = filtered(
        "discover_nodes",
        "nodes",
        objects.node("m1", master=True, version="ab", report=passed),
        objects.node("w1", version="ab", report=passed),
        objects.node("w2", conditions=objects.ready("Unknown")),
        objects.node("w3", nodeInfo={"containerRuntimeVersion": "cri-o://1.30.1"}),
    )
    facts = run("discover_nodes", {}, group("nodes", nodes=nodes)).internal["facts"]["nodes"]
    groups = facts.pop("versions")
    assert [(sum(group.pop("shares")), group.pop("controlPlane")) for group in groups] == [(1, 0), (1, 1)]
    assert facts.pop("first")["name"] in ("w1", "w3")
    assert {**facts, "versions": groups} == {
        "total": 4,
        "ready": 3,
        "notReady": {"count": 1, "names": ["w2"]},
        "unsupported": {"count": 1, "nodes": [{"name": "w3", "runtime": "cri-o://1.30.1"}]},
        "controlPlane": [{"name": "m1", "address": "198.51.100.11", "ready": True}],
        "versions": [
            {"version": "", "canary": "unknown", "ready": 1, "notReady": 1, "names": ["w3"]},
            {"version": "ab", "canary": "passed", "ready": 2, "notReady": 0, "names": ["m1", "w1"]},
        ],
        "failures": {"count": 0, "nodes": []},
        "foreign": {"count": 0, "nodes": []},
    }


def test_of_store_and_upstreams_only_what_is_worth_an_alert_is_known() -> None:
    store: dict[str, Any] = {
        "error": "/data is read-only",
        "bytes": 5,
        "full": True,
        "fill": {"total": 9, "failed": 1, "errors": [{"image": "i"}]},
        "scrub": {"checked": 7, "damaged": 3, "repaired": 2},
    }
    upstreams = [{"host": "b", "reachable": False}, {"host": "a", "reachable": True, "reason": "Unauthorized"}]
    reports: list[dict[str, Any]] = [
        {"metadata": {"name": "m1"}, "status": {"store": store, "upstreams": upstreams}},
        {"metadata": {"name": "m2"}, "status": {"store": None, "upstreams": None}},
        {"metadata": {"name": "m3"}},
    ]
    found = filtered("discover_replicas", "reports", *reports)
    facts = run("discover_replicas", {}, group("replicas", reports=found, pods=[])).internal["facts"]["replicas"]
    known = {"error": "/data is read-only", "full": True, "failed": 1, "damaged": 3, "repaired": 2}
    assert [(replica["store"], replica["unreachable"]) for replica in facts] == [(known, ["b"]), ({}, []), ({}, [])]
    assert [replica["refused"] for replica in facts] == [[{"host": "a", "reason": "Unauthorized"}], [], []]
    later = {**reports[0], "status": {"store": {**store, "bytes": 6}, "upstreams": upstreams}}
    assert filtered("discover_replicas", "reports", later) == found[:1]


def test_heartbeat_of_a_node_does_not_pass_the_filter() -> None:
    one, two = objects.node("m1"), objects.node("m1")
    two["status"]["conditions"][1]["lastHeartbeatTime"] = "later"
    two["metadata"]["resourceVersion"] = "2"
    assert filtered("discover_nodes", "nodes", one) == filtered("discover_nodes", "nodes", two)


@pytest.mark.parametrize("broken", [{"metadata": {"name": "n"}}, {"metadata": {"name": "n"}, "status": {}}])
def test_half_filled_node_is_counted(broken: dict[str, Any]) -> None:
    facts = run("discover_nodes", {}, group("nodes", nodes=filtered("discover_nodes", "nodes", broken)))
    assert facts.internal["facts"]["nodes"]["total"] == 1
    assert facts.internal["facts"]["nodes"]["unsupported"]["count"] == 1


def test_platform_facts_are_read_from_its_objects() -> None:
    name = "discover_platform"
    labels = {"registry.deckhouse.io/owner": "registry-module"}
    leader = objects.pod("deckhouse-1", annotations={"checksum/registry-version": "77"})
    old_leader = objects.pod("deckhouse-0", deletionTimestamp="now")
    facts = run(
        name,
        {},
        group(
            "platform",
            secret=filtered(name, "secret", objects.platform_secret()),
            leader=filtered(name, "leader", leader, old_leader),
            deployment=filtered(name, "deployment", objects.deployment()),
            client_ca=filtered(
                name,
                "client_ca",
                {"data": {"client-ca-file": "-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----"}},
            ),
            modules=filtered(
                name,
                "modules",
                {"metadata": {"name": "operator-x"}, "properties": {"source": "vendor", "version": "v1.2.3"}},
                {"metadata": {"name": "common"}, "properties": {"source": "Embedded"}},
                {"metadata": {"name": "cert-manager"}, "properties": {"source": ""}},
                {"metadata": {"name": "odd"}},
            ),
            embedded_secrets=filtered(
                name,
                "embedded_secrets",
                {"kind": "Secret", "metadata": {"name": "registry-config", "namespace": "d8-system"}},
                {"kind": "Secret", "metadata": {"name": "registry-state", "namespace": "d8-system", "labels": labels}},
            ),
        ),
    ).internal["facts"]["platform"]
    assert facts["registry"]["address"] == "old.example.com"
    assert facts["leader"] == {"name": "deckhouse-1", "ready": True, "version": "77"}
    assert facts["images"][0]["name"] == "deckhouse"
    assert facts["clientCA"].startswith("-----BEGIN")
    assert facts["embedded"] == ["Secret d8-system/registry-config"]
    assert facts["downloaded"] == [{"name": "operator-x", "version": "v1.2.3"}]


def test_missing_platform_objects_give_empty_facts() -> None:
    facts = run("discover_platform", {}, group("platform", secret=[], leader=[])).internal["facts"]["platform"]
    assert facts == {"registry": {}, "leader": {}, "images": [], "clientCA": "", "embedded": [], "downloaded": []}


def test_only_pods_at_the_virtual_address_are_counted() -> None:
    init = objects.pod("init")
    init["spec"]["initContainers"] = [{"name": "i", "image": "registry.d8-system.svc:5001/system/deckhouse:v1"}]
    pods = filtered(
        "discover_pods",
        "pods",
        objects.pod("a", "registry.d8-system.svc:5001/system/deckhouse@sha256:1"),
        objects.pod("b", "registry.example.com/x"),
        objects.pod("c", "registry.d8-system.svc:50011/x"),
        objects.pod("proof", "registry.d8-system.svc:5001/system/deckhouse@sha256:2", labels={"app": "registry-proof"}),
        init,
    )
    facts = run("discover_pods", {}, group("pods", pods=pods)).internal["facts"]["pods"]
    assert facts == {"count": 2, "names": ["d8-system/a", "d8-system/init"]}


def test_replicas_join_reports_and_pods() -> None:
    name = "discover_replicas"
    report = {
        "metadata": {"name": "m1"},
        "status": {"configVersion": "ab", "heartbeat": "t", "check": {"version": "c", "total": 2}},
    }
    facts = run(
        name,
        {},
        group(
            "replicas",
            reports=filtered(name, "reports", report, {"metadata": {"name": "m2"}}),
            pods=filtered(name, "pods", objects.pod("gw-1"), objects.pod("gw-2", status="False")),
        ),
    ).internal["facts"]["replicas"]
    assert [(r["node"], r["podReady"], r["configVersion"], r["check"].get("total")) for r in facts] == [
        ("m1", True, "ab", 2),
        ("m2", False, "", None),
    ]


def test_heartbeat_of_a_gateway_does_not_pass_the_filter() -> None:
    reports = [{"metadata": {"name": "m1"}, "status": {"configVersion": "ab", "heartbeat": t}} for t in "12"]
    assert filtered("discover_replicas", "reports", reports[0]) == filtered("discover_replicas", "reports", reports[1])
