"""A wave whose nodes keep failing is returned: when, to what, what people are told, and when it is tried again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lib.registry_module import explain, forecast, status
from lib.registry_module.state import State
from lib.registry_module.store_settings import CACHE
from tests.unit.world import PROXY, UNMANAGED, World, direct
from tests.unit.world_node import Node

THIRD = "third.example.com"


def failing(world: World, node: str = "w1") -> World:
    """A world that stands at the first wave, or at that of `node`, because it fails."""
    world.change(node, canary=False)
    assert world.settle() == "NodesPrepared"
    assert world.condition("NodesPrepared")["reason"] == "CanaryFailed"
    return world


def after(world: World, minutes: int) -> str:
    """The reason of NodesPrepared so many minutes later, when all that can follow has."""
    world.minute += minutes
    world.settle()
    return str(world.condition("NodesPrepared")["reason"])


def to_third(node: str = "w1") -> World:
    world = direct()
    world.apply(host=THIRD)
    return failing(world, node)


def versions(world: World) -> set[str | None]:
    return {node.version for node in world.nodes}


def told(world: World) -> dict[str, Any]:
    assert world.outcome is not None
    return world.outcome.node_route


def test_a_wave_that_fails_for_ten_minutes_goes_back_to_the_route_before_in_one_go() -> None:
    world = direct()
    (good,) = versions(world)
    world.apply(host=THIRD)
    failing(world, "m2")
    assert len(versions(world)) == 2
    assert after(world, 9) == "CanaryFailed"
    assert "If it lasts, the wave is returned at 2026-11-24T00:10:00Z." in world.condition("NodesPrepared")["message"]
    assert after(world, 1) == "WaveReturned"
    assert versions(world) == {good}
    assert "wave" not in told(world)
    assert (world.state.stage, world.registry.is_virtual) == ("NodesPrepared", True)


def test_people_are_told_which_node_why_and_what_to_do() -> None:
    world = to_third()
    after(world, 10)
    message = world.condition("NodesPrepared")["message"]
    assert "taken back at 2026-11-24T00:10:00Z" in message
    assert "(wave 1 of 5: one node)" in message
    assert "It failed on w1: 401." in message
    assert "tried again at 2026-11-24T01:10:00Z" in message
    assert world.status()["message"] == message == world.condition("Ready")["message"]
    event = status.event(world.status())
    assert event is not None
    assert (event["type"], event["reason"]) == ("Warning", "WaveReturned")


def test_who_has_not_gone_back_yet_is_named() -> None:
    world = to_third()
    world.minute = 10
    world.step()
    assert "waiting for w1" in world.condition("NodesPrepared")["message"]
    assert [one["name"] for one in world.status()["waitingNodes"]] == ["w1"]


def test_it_is_tried_again_after_an_hour_from_the_first_wave_on() -> None:
    world = to_third("m1")
    after(world, 10)
    assert after(world, 59) == "WaveReturned"
    world.change("m1", canary=True)
    world.minute += 1
    world.step()
    assert told(world)["wave"]["names"] == ["w1"]
    assert world.settle() == "Ready"


def test_a_try_that_fails_again_is_returned_again() -> None:
    world = to_third()
    after(world, 10)
    assert after(world, 60) == "Stalled", "by then the stage has lasted for longer than it should"
    assert "CanaryFailed" in world.condition("NodesPrepared")["message"]
    assert after(world, 10) == "WaveReturned"


def test_other_settings_are_followed_at_once() -> None:
    world = to_third()
    after(world, 10)
    world.change("w1", canary=True)
    world.apply(host=THIRD, password="password-2")
    assert world.settle() == "Ready"
    assert world.state.trial.returned is None


def test_the_settings_from_before_end_it() -> None:
    world = to_third()
    after(world, 10)
    world.change("w1", canary=True)
    world.apply()
    assert world.settle() == "Ready"
    assert [route["host"] for route in world.routes()] == ["new.example.com"]


def test_wrong_settings_end_nothing() -> None:
    world = to_third()
    after(world, 10)
    world.apply(host="bad host@x")
    assert after(world, 1) == "WaveReturned"
    world.apply(host=THIRD)
    assert after(world, 1) == "WaveReturned"


def test_the_first_route_is_removed_again_and_unmanaged_leaves_nothing() -> None:
    world = World()
    world.apply()
    failing(world)
    assert after(world, 10) == "WaveReturned"
    assert versions(world) == {None}
    assert told(world)["action"] == "remove"
    assert "Nodes get none, as before." in world.condition("NodesPrepared")["message"]
    world.values = dict(UNMANAGED)
    assert world.settle() == "Ready"
    assert (told(world), world.state.trial.good) == ({}, None)


def test_the_first_route_is_not_removed_where_pods_use_the_address() -> None:
    world = World()
    world.apply()
    failing(world)
    world.pods = ("own/app",)
    assert after(world, 30) == "CanaryFailed"


def test_pods_that_come_to_use_the_address_bring_the_route_back() -> None:
    world = World()
    world.apply()
    failing(world)
    after(world, 10)
    world.pods = ("own/app",)
    assert after(world, 1) == "CanaryFailed"
    assert world.nodes[2].version is not None


def test_the_first_route_is_not_removed_before_all_who_were_told_have_answered() -> None:
    world = World()
    world.apply()
    failing(world, "m1")
    world.change("m2", version=None)  # it was told, and is slow
    world.minute = 30
    world.step()
    assert world.condition("NodesPrepared")["reason"] == "CanaryFailed"


def test_a_route_is_not_offered_while_nodes_give_up_the_one_before() -> None:
    world = World()
    world.apply()
    failing(world)
    world.minute = 10
    world.step()
    world.values = {**world.values, "nodes": {"waves": [20]}}
    world.step()
    condition = world.condition("NodesPrepared")
    assert (condition["reason"], told(world)["action"]) == ("NodesCleaning", "remove")
    assert "w1" in condition["message"]
    world.change("w1", canary=True)
    assert world.settle() == "Ready"


def test_from_gateways_that_keep_content_nodes_go_back_to_the_registry() -> None:
    world = direct()
    (good,) = versions(world)
    world.values = dict(PROXY)
    failing(world)
    assert world.state.gateways_first
    after(world, 10)
    assert versions(world) == {good}
    assert not world.state.gateways_first
    assert world.state.store is not None
    assert world.state.store.role == CACHE, "gateways go on"


def test_one_moment_in_which_it_pulls_begins_the_time_anew() -> None:
    world = to_third("m1")
    after(world, 9)
    world.change("m1", canary=True)
    world.change("m2", canary=False)
    world.step()
    assert after(world, 5) == "CanaryFailed"
    assert after(world, 5) == "WaveReturned"


def test_time_behind_another_stage_does_not_count() -> None:
    world = to_third()
    world.broken, world.checked = {THIRD: ("Unreachable", "no answer")}, ""
    world.minute = 30
    assert world.settle() == "ImagesAvailable"
    world.broken, world.checked = {}, ""
    world.minute = 31
    world.settle()
    assert world.condition("NodesPrepared")["reason"] == "CanaryFailed"
    assert after(world, 10) == "WaveReturned"


def test_nodes_that_have_proved_the_route_are_not_returned_from_it_later() -> None:
    world = direct()
    world.leader_ready = False
    world.apply(host=THIRD, password="password-2")
    assert world.settle() == "PlatformSwitched"
    world.change("w1", canary=False)
    world.settle()
    assert after(world, 30) == "CanaryFailed"
    world.change("w1", canary=True)
    world.leader_ready = True
    assert world.settle() == "Ready"


def test_the_end_of_a_switch_is_not_returned_from() -> None:
    world = direct()
    world.apply(host=THIRD)
    while world.state.stage != "NodesFinalized":
        world.settle_once()
    world.change("m1", canary=False)
    assert world.settle() == "NodesFinalized"
    world.minute += 30
    assert world.settle() == "NodesFinalized"
    assert world.state.trial.failing is None


def test_without_another_route_to_go_back_to_it_is_only_halted() -> None:
    world = direct()
    world.nodes.append(Node("m3", True, address="198.51.100.13"))
    world.change("w1", canary=False)
    world.settle()
    assert after(world, 30) != "WaveReturned"


def test_a_lost_state_in_use_returns_nothing() -> None:
    world = to_third()
    after(world, 10)
    world.state = replace(world.state, trial=State().trial)
    assert after(world, 30) == "CanaryFailed"
    world.minute += 30
    world.settle()
    assert told(world)["action"] == "apply"


@pytest.mark.parametrize("back", [-30, -600])
def test_a_clock_that_is_set_back_neither_returns_a_wave_nor_keeps_it_returned(back: int) -> None:
    world = to_third()
    assert after(world, back) == "CanaryFailed"
    assert after(world, 10) == "WaveReturned"
    assert after(world, back) == "CanaryFailed"


def test_explain_tells_when_and_why() -> None:
    world = to_third()
    assert world.outcome is not None
    moment = forecast.Moment(world.inputs(), world.outcome)
    found = explain.stage(moment)["wave"]
    assert found["failing"] == ["w1"]
    assert found["returnsAt"] == "2026-11-24T00:10:00Z"
    after(world, 10)
    found = explain.stage(forecast.Moment(world.inputs(), world.outcome), "NodesPrepared")["wave"]
    assert (found["why"], found["triedAgainAt"]) == ("w1: 401", "2026-11-24T01:10:00Z")
    assert explain.stage(moment, "Drained")["wave"] == {}


def test_a_plan_for_other_settings_leads_on_from_a_returned_wave() -> None:
    world = to_third()
    after(world, 10)
    stuck = forecast.roll(world.inputs(), world.state)[-1]
    assert stuck.outcome.state.stage == "NodesPrepared"
    world.apply(host="fourth.example.com")
    assert forecast.roll(world.inputs(), world.state)[-1].outcome.state.stage == "Ready"
