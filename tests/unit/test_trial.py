"""What is remembered of trying a route: kept word for word, bounded, and forgotten where it is broken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lib.registry_module.state import State, rebuild, restore
from lib.registry_module.trial import Failing, Good, Returned, Trial
from lib.registry_module.upstream import Upstream
from tests.unit.world import World

NOW = "2026-11-24T00:00:00Z"
FULL = Trial(
    Good((Upstream("https", "old.example.com", "deckhouse/ee"),), True),
    Failing(NOW, ("w1",)),
    Returned("wave 1 of 5: one node", NOW, "w1: 401"),
)


@pytest.mark.parametrize("trial", [Trial(), FULL, FULL.anew(), Trial(Good((), True))])
def test_a_trial_survives_the_state(trial: Trial) -> None:
    state = State(salt="00", trial=trial)
    assert restore(json.dumps(state.to_dict())) == state


def test_a_state_of_an_older_version_has_none() -> None:
    data = State(salt="00").to_dict()
    del data["trial"]
    assert restore(data) == State(salt="00")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (part, value)
        for part in ("good", "failing", "returned")
        for value in (5, "x", [], [1], {"x": 1}, {"since": 5, "at": None, "routes": 5}, None)
    ]
    + [
        ("good", {"routes": ["x"], "gatewaysFirst": True}),
        ("good", {"routes": [{"scheme": "https", "host": "a b\nupstream"}], "gatewaysFirst": True}),
        ("good", {"routes": [{"scheme": "ftp", "host": "a"}], "gatewaysFirst": True}),
        ("failing", {"since": "yesterday", "nodes": []}),
        ("failing", {"since": "9999-12-31T23:59:59Z", "nodes": []}),
        ("returned", {"wave": "", "at": "2026-11-24", "why": ""}),
    ],
)
def test_a_broken_part_is_forgotten_and_nothing_else(part: str, value: Any) -> None:
    data = {**State(salt="00", trial=FULL).to_dict()}
    data["trial"] = {**data["trial"], part: value}
    found = restore(data)
    assert found.salt == "00"
    assert getattr(found.trial, part) is None
    assert [found.trial.good, found.trial.failing, found.trial.returned].count(None) == 1


@pytest.mark.parametrize("value", [5, "x", [], None])
def test_a_broken_trial_is_forgotten(value: Any) -> None:
    assert restore({**State(salt="00").to_dict(), "trial": value}) == State(salt="00")


def test_what_is_remembered_does_not_grow_with_the_cluster() -> None:
    world = World(values={"mode": "Unmanaged"})
    world.nodes += [type(world.nodes[2])(f"x{number}") for number in range(60)]
    for node in world.nodes:
        node.canary = False
    world.values = {"mode": "Direct", "direct": {"host": "new.example.com", "path": "/x"}, "nodes": {"waves": []}}
    world.settle()
    world.change("m1", canary=True)  # it was the first to fail, and counted alone
    world.step()
    assert world.state.trial.failing is not None
    assert len(world.state.trial.failing.nodes) == 10
    world.minute = 10
    world.settle()
    assert world.state.trial.returned is not None
    assert len(json.dumps(world.state.trial.to_dict())) < 1500


def test_a_removal_that_is_under_way_is_known_when_the_state_is_lost() -> None:
    world = World()
    world.change("w1", canary=False)
    world.apply()
    world.settle()
    before = world.outcome
    world.minute = 10
    outcome = world.step()
    assert before is not None
    assert outcome.gateway["version"] == before.gateway["version"], "gateways have nothing to load"
    found = rebuild(json.dumps(outcome.gateway["config"]))
    assert (found.nodes, found.node_routes, found.gateway) == ("remove", (), True)
    assert rebuild(json.dumps(before.gateway["config"])).nodes == "apply"
