"""What was planned is what happens: the forecast against a cluster that follows step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.registry_module import forecast
from lib.registry_module.plan import plan
from tests.unit.world import DIRECT, LOCAL, PROXY, UNMANAGED, World
from tests.unit.world_node import Node

OTHER = {"mode": "Direct", "direct": {**DIRECT["direct"], "host": "third.example.com"}}  # type: ignore[dict-item] # a literal of mixed values
NEW_LOGIN = {"mode": "Direct", "direct": {**DIRECT["direct"], "password": "password-2"}}  # type: ignore[dict-item] # the same
WRONG = {"mode": "Direct", "direct": {**DIRECT["direct"], "host": "bad host@x"}}  # type: ignore[dict-item] # the same
WISHES: dict[str, dict[str, Any]] = {
    "unmanaged": UNMANAGED,
    "direct": DIRECT,
    "other": OTHER,
    "login": NEW_LOGIN,
    "proxy": PROXY,
    "local": LOCAL,
    "wrong": WRONG,
}


@dataclass
class Slower(World):
    """Pods keep their image names for a moment after Deckhouse has come back with others."""

    def followers(self) -> Iterator[str]:
        before = self.pods
        for part in super().followers():
            if part == "deckhouse" and not self.rendered.is_virtual:
                self.pods = before
            yield part
        if self.pods and not self.rendered.is_virtual:
            self.pods = ()
            yield "pods"


def stages(moments: list[forecast.Moment]) -> list[str]:
    found: list[str] = []
    for moment in moments:
        if found[-1:] != [moment.outcome.state.stage]:
            found.append(moment.outcome.state.stage)
    return found


def assert_happens_as_planned(world: World) -> None:
    moments = forecast.roll(world.inputs(), world.state)
    end = moments[-1]
    world.stages = []
    world.settle()
    assert world.outcome is not None
    assert stages(moments) == world.stages
    assert end.outcome.gateway == world.outcome.gateway
    assert end.outcome.node_route == world.outcome.node_route
    assert end.inputs.facts.registry == world.registry
    remembered = ("settings", "original", "gateway_routes", "node_routes", "store", "nodes", "stage")
    for field in remembered:
        assert getattr(end.outcome.state, field) == getattr(world.state, field)


@pytest.mark.parametrize("after", WISHES)
@pytest.mark.parametrize("before", ["unmanaged", "direct", "proxy", "local"])
def test_every_switch_from_rest_happens_as_planned(before: str, after: str) -> None:
    world = Slower(values=WISHES[before])
    world.settle()
    world.values = WISHES[after]
    assert_happens_as_planned(world)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    before=st.sampled_from(["unmanaged", "direct", "proxy", "local"]),
    between=st.sampled_from(list(WISHES)),
    after=st.sampled_from(list(WISHES)),
    runs=st.integers(0, 14),
    absent=st.sets(st.sampled_from(["m2", "w1", "w2"]), max_size=2),
    unsupported=st.sampled_from([False, False, False, True]),
)
def test_change_of_mind_on_the_way_happens_as_planned(
    before: str, between: str, after: str, runs: int, absent: set[str], unsupported: bool
) -> None:
    masters = [Node(f"m{number}", True, address=f"198.51.100.1{number}") for number in (1, 2)]
    world = Slower(values=WISHES[before], nodes=[*masters, Node("w1"), Node("w2")])
    world.settle()
    world.values = WISHES[between]
    for name in absent:
        world.change(name, ready=False)
    for _ in range(runs):
        world.settle_once()
    if unsupported:
        world.change("w2", runtime="docker://20.10")
    world.values = WISHES[after]
    assert_happens_as_planned(world)


def test_forecast_of_a_cluster_at_rest_is_one_moment() -> None:
    world = World(values=DIRECT)
    world.settle()
    assert len(forecast.roll(world.inputs(), world.state)) == 1
    assert plan(world.inputs(), world.state).changes_nothing


def test_switch_that_no_cluster_can_pass_is_stuck_where_it_says() -> None:
    world = World(values=UNMANAGED)
    world.settle()
    world.change("w1", runtime="docker://20.10")
    world.values = DIRECT
    stuck = plan(world.inputs(), world.state).stuck
    assert stuck is not None
    assert (stuck.stage, stuck.reason) == ("RuntimeSupported", "RuntimeNotSupported")
    assert not stuck.changes


def test_what_blocks_now_comes_from_the_real_facts() -> None:
    world = World(values=UNMANAGED)
    world.settle()
    world.values = DIRECT
    world.broken = {"new.example.com": ("Unauthorized", "new.example.com answered 401")}
    world.settle()
    found = plan(world.inputs(), world.state)
    assert (found.now.stage, found.now.reason) == ("ImagesAvailable", "CredentialsRefused")
    assert found.stuck is None


def test_new_login_restarts_deckhouse_and_replaces_no_pod() -> None:
    world = World(values=DIRECT)
    world.settle()
    world.values = NEW_LOGIN
    restarts = [text for step in plan(world.inputs(), world.state).steps for text in step.restarts]
    assert restarts == ["Deckhouse restarts: its registry changes (login)."]


def test_gateway_pods_restart_when_they_get_a_place_to_keep_content() -> None:
    world = World(values=DIRECT)
    world.settle()
    world.values = PROXY
    [first, *_] = plan(world.inputs(), world.state).steps
    assert first.restarts[0].startswith("Gateway pods restart one after another on m1, m2")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("local", "proxy", "Cannot be undone: a copy becomes a cache."),
        ("local", "direct", "only the gateways' copy has"),
        ("proxy", "unmanaged", "the module forgets the registries it had"),
        ("unmanaged", "direct", "Way back: old.example.com/deckhouse/ee"),
        ("unmanaged", "local", "local.source is not set"),
    ],
)
def test_costs_are_named(before: str, after: str, words: str) -> None:
    world = World(values=WISHES[before])
    world.settle()
    world.values = WISHES[after]
    assert any(words in note for note in plan(world.inputs(), world.state).notes)


def test_plan_holds_no_secret() -> None:
    world = World(values=UNMANAGED)
    world.settle()
    for wish in (DIRECT, NEW_LOGIN, PROXY, LOCAL, UNMANAGED):
        world.values = wish
        text = str(plan(world.inputs(), world.state).to_dict())
        assert "password-" not in text
        world.settle()
