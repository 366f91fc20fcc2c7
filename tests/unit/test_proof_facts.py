"""Pods of the proof become bounded facts, whatever they look like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.registry_module.proof_facts import collect, parse

V = "0123456789abcdef"
NODES = [{"name": name, "ready": name != "away"} for name in ("a", "b", "away")]


def pod(node: str = "a", **fields: Any) -> dict[str, Any]:
    row = {"node": node, "version": V, "placed": True, "phase": "Pending", "pulled": False}
    return {**row, "reason": None, "message": None, **fields}


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"pulled": True, "phase": "Running"}, "proved"),
        ({"pulled": True, "reason": "CrashLoopBackOff"}, "proved"),
        ({"reason": "CreateContainerError", "message": "no such file"}, "proved"),
        ({"reason": "ErrImagePull", "message": "401"}, "failed"),
        ({"reason": "ImagePullBackOff"}, "failed"),
        ({"reason": "ContainerCreating"}, "waiting"),
        ({}, "waiting"),
        ({"placed": False}, "unplaced"),
        ({"phase": "Failed"}, "unplaced"),
    ],
)
def test_what_becomes_of_a_pod(fields: dict[str, Any], verdict: str) -> None:
    (proof,) = parse(collect([pod(**fields), pod("b", pulled=True)], NODES))
    counts = {"failed": proof.failed_count, "waiting": proof.waiting_count, "unplaced": proof.unplaced_count}
    assert proof.proved == (2 if verdict == "proved" else 1)
    assert {key for key, count in counts.items() if count} == {verdict} - {"proved"}
    assert proof.holds == (verdict in ("proved", "unplaced"))


def test_two_tries_that_fail_alike_are_one_fact() -> None:
    first = pod(reason="ErrImagePull", message="rpc error: 401")
    later = pod(reason="ImagePullBackOff", message='Back-off pulling image "r@d": ErrImagePull: rpc error: 401')
    assert collect([first], NODES) == collect([later], NODES)
    assert parse(collect([first], NODES))[0].failed == (("a", "rpc error: 401"),)


def test_of_two_pods_of_a_node_the_better_one_counts() -> None:
    (proof,) = parse(collect([pod(reason="ErrImagePull"), pod(pulled=True)], NODES))
    assert (proof.proved, proof.failed_count, proof.waiting) == (1, 0, ("b",))


def test_without_pods_there_is_nothing_to_say() -> None:
    assert collect([], NODES) == []
    assert parse(None) == ()


HOSTILE = st.one_of(
    st.none(), st.text(), st.integers(), st.booleans(), st.sampled_from([V, "a", "b", "ErrImagePull", "Failed"])
)
PODS = st.lists(
    st.one_of(
        HOSTILE,
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("node", "version", "placed", "phase", "pulled", "reason", "message"), HOSTILE)
        ),
    )
)


@given(PODS, st.randoms())
def test_any_rows_give_the_same_bounded_facts_in_any_order(rows: list[Any], random: Any) -> None:
    found = collect(rows, [*NODES, None, {"name": 3}])
    shuffled = rows[:]
    random.shuffle(shuffled)
    assert collect(shuffled, NODES) == found
    for proof in parse(found):
        assert proof.proved + proof.failed_count + proof.waiting_count + proof.unplaced_count == 2
    assert len(found) <= 4


def test_names_and_errors_are_bounded() -> None:
    names = [f"n{number:03}" for number in range(100)]
    pods = [pod(name, reason="ErrImagePull", message="x" * 5000) for name in names]
    (proof,) = parse(collect(pods, [{"name": name, "ready": True} for name in names]))
    assert (proof.failed_count, len(proof.failed), {len(error) for _, error in proof.failed}) == (100, 10, {300})


def test_a_kubelet_that_only_says_that_it_waits_has_said_before_what_went_wrong() -> None:
    tried = pod(reason="ErrImagePull", message="rpc error: 401")
    waits = pod(reason="ImagePullBackOff", message='Back-off pulling image "r@d"')
    before = collect([tried], NODES)
    assert collect([waits], NODES, before) == before
    assert parse(collect([waits], NODES))[0].failed == (("a", "ImagePullBackOff"),)
    other = [{**before[0], "version": "f" * 16}]
    assert parse(collect([waits], NODES, other))[0].failed == (("a", "ImagePullBackOff"),)


def test_words_of_containerd_are_told_without_credentials_queries_and_ports() -> None:
    said = (
        'Get "https://me:pw@s3.example/x?X-Amz-Signature=ab": Bearer eyJh.b: dial tcp 10.0.0.5:40001->10.0.0.6:443: EOF'
    )
    failed = parse(collect([pod(reason="ErrImagePull", message=said)], NODES))[0].failed
    assert failed == (("a", 'Get "https://s3.example/x": Bearer ***: dial tcp 10.0.0.6:443: EOF'),)
