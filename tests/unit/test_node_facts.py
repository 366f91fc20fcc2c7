"""Nodes are grouped into bounded facts, whatever their number and however odd their annotations are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.registry_module import node_facts


def row(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "runtime": "containerd://1.7.27",
        "ready": True,
        "controlPlane": False,
        "address": "198.51.100.7",
        "version": "ab12",
        "report": json.dumps({"canary": {"ok": True, "error": ""}}),
        **fields,
    }


def test_five_thousand_nodes_cost_what_few_do() -> None:
    few = node_facts.collect([row(f"n{i:05d}") for i in range(20)])
    many = node_facts.collect([row(f"n{i:05d}") for i in range(5000)])
    assert len(json.dumps(many)) <= len(json.dumps(few)) + 12 + 20 * 3, "more digits, in twenty counts by rank too"


def test_order_of_nodes_does_not_matter() -> None:
    rows = [row(f"n{i}", version=f"{i % 3}", ready=i % 2 == 0) for i in range(30)]
    assert node_facts.collect(rows) == node_facts.collect(rows[::-1])


def test_groups_count_ready_and_not_ready_by_version_and_canary() -> None:
    facts = node_facts.collect(
        [
            row("a"),
            row("b", ready=False),
            row("c", version=None),
            row("d", report='{"canary": {"ok": false, "error": "401"}}'),
        ]
    )
    groups = [
        {key: group[key] for key in group if key not in ("controlPlane", "shares")} for group in facts["versions"]
    ]
    assert groups == [
        {"version": "", "canary": "passed", "ready": 1, "notReady": 0, "names": ["c"]},
        {"version": "ab12", "canary": "failed", "ready": 1, "notReady": 0, "names": ["d"]},
        {"version": "ab12", "canary": "passed", "ready": 1, "notReady": 1, "names": ["a"]},
    ]


@pytest.mark.parametrize("runtime", ["docker://20.10", "cri-o://1.30", "", None, "xcontainerd://1"])
def test_runtime_other_than_containerd_is_named(runtime: Any) -> None:
    facts = node_facts.collect([row("a", runtime=runtime), row("b")])
    assert facts["unsupported"]["count"] == 1
    assert facts["unsupported"]["nodes"][0]["name"] == "a"


@pytest.mark.parametrize("address", ["$(reboot)", "", None, "198.51.100.7; rm", "host.example.com", 7])
def test_address_that_is_no_ip_never_becomes_a_fact(address: Any) -> None:
    assert node_facts.collect([row("m", controlPlane=True, address=address)])["controlPlane"] == []


@pytest.mark.parametrize("version", ["$(x)", "A" * 99, "ZZ", 5, ["a"], {"a": 1}])
def test_version_that_is_no_fingerprint_counts_as_none(version: Any) -> None:
    assert node_facts.collect([row("a", version=version)])["versions"][0]["version"] == ""


@pytest.mark.parametrize(
    "report",
    ["{", "[]", "1", "null", '{"canary": []}', '{"canary": {"ok": "yes"}}', '{"canary": {"ok": false}}', None, 7],
)
def test_broken_report_is_an_unknown_canary(report: Any) -> None:
    assert node_facts.collect([row("a", report=report)])["versions"][0]["canary"] == "unknown"


@pytest.mark.parametrize(("reached", "verdict"), [(True, "passed"), (False, "failed")])
def test_on_the_way_back_the_registry_to_return_to_counts_and_the_canary_does_not(reached: bool, verdict: str) -> None:
    proof = {"ok": reached, "error": "" if reached else "no connection"}
    report = json.dumps({"canary": {"ok": not reached, "error": "gone" if reached else ""}, "return": proof})
    facts = node_facts.collect([row("a", report=report)])
    assert facts["versions"][0]["canary"] == verdict
    assert facts["failures"]["nodes"] == ([] if reached else [{"name": "a", "error": "no connection"}])


def test_failures_name_node_and_error_in_one_bounded_line() -> None:
    report = json.dumps({"error": "line one\nline two " + "x" * 999})
    facts = node_facts.collect([row("a", report=report), row("b", ready=False, report=report)])
    assert facts["failures"]["count"] == 1
    assert len(facts["failures"]["nodes"][0]["error"]) == 300
    assert "\n" not in facts["failures"]["nodes"][0]["error"]


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=3), max_size=2)
ROWS = st.lists(
    VALUES | st.dictionaries(st.sampled_from(["name", "runtime", "ready", "address", "version", "report"]), VALUES)
)


@given(ROWS)
def test_whatever_comes_is_collected_without_an_exception(rows: list[Any]) -> None:
    json.dumps(node_facts.collect(rows))


def test_configuration_of_others_is_named_and_bounded() -> None:
    report = json.dumps({"foreign": [f"registry.d/h{n}\n{'x' * 200}" for n in range(20)]})
    found = node_facts.collect([row(f"n{i:02d}", report=report) for i in range(12)])["foreign"]
    assert (found["count"], len(found["nodes"])) == (12, 10)
    assert found["nodes"][0]["name"] == "n00"
    assert len(found["nodes"][0]["entries"]) == 10
    assert found["nodes"][0]["entries"][0] == ("registry.d/h0 " + "x" * 200)[:100]


@pytest.mark.parametrize("foreign", [None, "x", 5, {}, [None, 5, {}]])
def test_odd_names_of_others_are_left_out(foreign: Any) -> None:
    found = node_facts.collect([row("n", report=json.dumps({"foreign": foreign}))])
    assert found["foreign"] == {"count": 0, "nodes": []}
