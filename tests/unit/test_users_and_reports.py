"""Accounts, gateway reports, pods, platform objects, conditions: small rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lib.registry_module import (
    conditions,
    encoding,
    platform_facts,
    pod_facts,
    replica_facts,
    replica_metrics,
    status,
)
from lib.registry_module.conditions import Verdict


def test_replica_without_a_ready_pod_is_not_ready() -> None:
    reports = [{"node": "m1", "status": {"configVersion": "a"}}, {"node": "m2", "status": None}, None]
    pods = [{"name": "p", "node": "m1", "ready": True}, {"name": "q", "node": "m2", "ready": False}, 7]
    facts = replica_facts.collect(reports, pods)
    assert [(r["node"], r["podReady"], r["configVersion"]) for r in facts] == [("m1", True, "a"), ("m2", False, "")]


def test_check_of_a_replica_is_bounded_and_typed() -> None:
    errors = [{"image": "i", "reason": "NotFound", "message": "m" * 999}] * 9
    check = {"version": "v", "total": "many", "checked": 3, "complete": "yes", "errorCount": 9, "errors": errors}
    fact = replica_facts.collect([{"node": "m1", "status": {"check": check}}], [])[0]["check"]
    assert (fact["total"], fact["checked"], fact["complete"], len(fact["errors"])) == (0, 3, False, 5)
    assert len(fact["errors"][0]["message"]) == 300


@pytest.mark.parametrize("store", [None, [], "x"])
def test_report_without_a_store_says_nothing_of_one(store: Any) -> None:
    assert replica_facts.collect([{"node": "m1", "status": {"store": store}}], [])[0]["store"] == {}


def test_odd_report_of_a_store_is_no_error() -> None:
    odd = {"error": None, "full": "yes", "failed": "many", "damaged": None}
    facts = replica_facts.collect([{"node": "m1", "status": {"store": odd, "unreachable": [None, 7]}}], [])
    nothing = {"error": "", "full": False, "failed": 0, "damaged": 0, "repaired": 0}
    assert (facts[0]["store"], facts[0]["unreachable"]) == (nothing, [])


def test_texts_of_a_report_are_bounded() -> None:
    status = {"store": {"error": "e" * 999}, "unreachable": [f"h{i}" for i in range(20)]}
    facts = replica_facts.collect([{"node": "m1", "status": status}], [])
    assert (len(facts[0]["store"]["error"]), len(facts[0]["unreachable"])) == (300, 10)


@pytest.mark.parametrize("refused", [None, "x", [None, 5, {}, {"host": 5, "reason": "Forbidden"}, {"host": "h"}]])
def test_odd_refusals_of_a_report_are_left_out(refused: Any) -> None:
    assert replica_facts.collect([{"node": "m1", "status": {"refused": refused}}], [])[0]["refused"] == []


def test_refusals_of_a_report_are_bounded() -> None:
    refused = [{"host": f"h{n}" + "x" * 999, "reason": "Forbidden"} for n in range(20)]
    found = replica_facts.collect([{"node": "m1", "status": {"refused": refused}}], [])[0]["refused"]
    assert (len(found), len(found[0]["host"])) == (10, 300)


def test_series_of_a_store_are_there_only_with_one() -> None:
    store = {"error": "", "full": True, "failed": 2, "damaged": 3, "repaired": 1}
    refused = [{"host": "h", "reason": "Forbidden"}] * 2
    replicas: list[dict[str, Any]] = [
        {"node": "m1", "store": store, "unreachable": ["h"], "refused": refused},
        {"node": "m2", "store": {}, "unreachable": []},
    ]
    found = {(one["name"], one["labels"]["node"]): one["value"] for one in replica_metrics.series(replicas)}
    assert found == {
        ("registry_replica_upstreams_unreachable", "m1"): 1,
        ("registry_replica_upstreams_unreachable", "m2"): 0,
        ("registry_replica_upstreams_refused", "m1"): 2,
        ("registry_replica_upstreams_refused", "m2"): 0,
        ("registry_replica_store_unusable", "m1"): 0,
        ("registry_replica_store_full", "m1"): 1,
        ("registry_replica_store_fill_failed", "m1"): 2,
        ("registry_replica_store_damaged", "m1"): 2,
    }


def test_pods_are_counted_and_the_first_ten_named() -> None:
    assert pod_facts.collect([None, *(f"ns/p{i}" for i in range(12)), ""]) == {
        "count": 12,
        "names": sorted(f"ns/p{i}" for i in range(12))[:10],
    }


def platform(**found: Any) -> dict[str, Any]:
    kinds = ("secrets", "leaders", "deployments", "client_ca", "embedded", "downloaded")
    return platform_facts.collect(**{**{kind: [] for kind in kinds}, **found})


def test_platform_without_objects_gives_empty_facts() -> None:
    assert platform() == {"registry": {}, "leader": {}, "images": [], "clientCA": "", "embedded": [], "downloaded": []}


def test_platform_secret_is_decoded() -> None:
    secret = {
        "address": encoding.encode("h"),
        "path": encoding.encode("/p"),
        "ca": None,
        "scheme": "%%",
        "dockerconfig": None,
    }
    assert platform(secrets=[secret])["registry"] == {
        "address": "h",
        "path": "/p",
        "scheme": "",
        "ca": "",
        "dockerconfig": "",
    }


def test_two_leaders_are_no_leader() -> None:
    one = {"name": "a", "ready": True, "version": "1"}
    assert platform(leaders=[one])["leader"] == one
    assert platform(leaders=[one, {**one, "name": "b"}])["leader"] == {}


def test_transition_time_moves_only_with_the_status() -> None:
    old = conditions.merge([], [("A", Verdict("False", "X"))], "1")
    same = conditions.merge(old, [("A", Verdict("False", "Y", "m"))], "2")
    assert (same[0]["lastTransitionTime"], same[0]["reason"]) == ("1", "Y")
    assert conditions.merge(same, [("A", Verdict("True", "Z"))], "3")[0]["lastTransitionTime"] == "3"


def shown(**fields: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True", "reason": "Serving", "message": "m", "lastTransitionTime": "t"}
    return {"mode": "Direct", "stage": "Ready", "since": "2026-11-24T00:00:00Z", "conditions": [condition], **fields}


def test_event_of_a_stage_has_a_name_that_does_not_repeat_it() -> None:
    one, two = status.event(shown()), status.event(shown())
    assert one is not None
    assert one == two
    assert one["metadata"]["name"] != status.event(shown(since="2026-11-24T00:01:00Z"))["metadata"]["name"]  # type: ignore[index] # not None


def test_metrics_leave_out_what_is_unknown() -> None:
    unknown = {"type": "Drained", "status": "Unknown", "reason": "Waiting", "message": "", "lastTransitionTime": "t"}
    series = status.metrics(shown(conditions=[*shown()["conditions"], unknown]))
    assert [(s["name"], s["labels"].get("type")) for s in series] == [
        ("registry_switch_condition", "Ready"),
        ("registry_switch_stage", None),
    ]
    json.dumps(series)
