"""A gateway that is behind is touched until it has the wanted configuration, each time with another value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.registry_module import nudges

V = "0123456789abcdef"


def pod(told: Any) -> dict[str, Any]:
    return {"name": "gateway-1", "node": "m1", "told": told}


@pytest.mark.parametrize(
    ("told", "next_"),
    [(None, V), ("", V), ("ffff", V), ("ffff.7", V), (V, f"{V}.1"), (f"{V}.1", f"{V}.2"), (f"{V}.x", V), (7, V)],
)
def test_pod_that_is_behind_is_told_the_version_and_then_again_with_a_number(told: Any, next_: str) -> None:
    assert nudges.due(V, [pod(told)], {"m1": "older"}) == [("gateway-1", next_)]


def test_pod_whose_gateway_has_the_version_is_left_alone() -> None:
    assert nudges.due(V, [pod(None), pod(V)], {"m1": V}) == []


def test_gateway_that_never_reported_is_behind() -> None:
    assert nudges.due(V, [pod(None)], {}) == [("gateway-1", V)]


def test_nudging_ends_when_the_kubelet_has_had_its_own_turn() -> None:
    assert nudges.due(V, [pod(f"{V}.{nudges.MAX_REPEATS - 1}")], {}) == [("gateway-1", f"{V}.{nudges.MAX_REPEATS}")]
    assert nudges.due(V, [pod(f"{V}.{nudges.MAX_REPEATS}")], {}) == []


@given(st.none() | st.text(max_size=24) | st.integers())
def test_a_told_value_always_changes(told: Any) -> None:
    for _, value in nudges.due(V, [pod(told)], {}):
        assert value != told
