"""The switch and its nodes: who is waited for, who is not, and what is said of each."""

from __future__ import annotations

import json

from tests.unit.world import OLD, UNMANAGED, World, direct


def test_node_that_does_not_reach_the_registry_of_before_keeps_deckhouse_where_it_is() -> None:
    world = direct()
    before = world.registry
    world.change("w1", reaches=False)
    world.values = dict(UNMANAGED)
    assert world.settle() == "NodesPrepared"
    condition = world.condition("NodesPrepared")
    assert condition["reason"] == "CanaryFailed"
    assert "0 of 4 Ready nodes reach old.example.com, the registry to return to" in condition["message"]
    assert "Wave 1 of 5: one node" in condition["message"]
    assert "It fails on w1: 401." in condition["message"]
    assert world.registry == before
    world.change("w1", reaches=True)
    assert world.settle() == "Ready"
    assert world.registry.same_as(OLD)


def test_node_that_is_not_ready_is_listed_and_does_not_hold_the_switch() -> None:
    world = World()
    world.change("w2", ready=False)
    world.apply()
    assert world.settle() == "Ready"
    assert "w2" in world.condition("NodesFinalized")["message"]
    assert world.status()["notReadyNodes"] == ["w2"]
    assert world.status()["nodes"] == "3/3"


def test_late_node_is_cleaned_after_the_return_to_unmanaged() -> None:
    world = direct()
    world.change("w2", ready=False)
    world.values = dict(UNMANAGED)
    assert world.settle() == "Ready"
    assert world.outcome is not None
    assert world.outcome.node_route["action"] == "remove"
    assert world.outcome.gateway == {}
    world.change("w2", ready=True)
    assert world.settle() == "Ready"
    assert world.outcome.node_route == {}
    assert world.nodes[3].version is None


def test_a_node_that_has_not_answered_yet_is_waited_for_before_its_route_is_removed() -> None:
    world = World()
    world.apply()
    world.values["nodes"] = {"waves": []}
    while world.state.nodes != "apply":  # nodes are told, and w1 and w2 are still at it
        world.step()
        next(world.followers(), None)
    world.values = {**UNMANAGED, "nodes": {"waves": []}}
    for node in world.nodes[:2]:
        node.version = "0123456789abcdef"
    world.step()
    assert world.state.stage == "NodesPrepared"
    assert "Waiting for w1, w2." in world.condition("NodesPrepared")["message"]
    assert world.outcome is not None
    assert world.outcome.node_route["action"] == "apply"
    assert world.settle() == "Ready"
    assert world.outcome.node_route == {}


def test_a_route_that_shows_up_later_is_taken_away() -> None:
    world = World()
    assert world.settle() == "Ready"
    world.change("w1", version="0123456789abcdef")
    world.step()
    assert world.state.stage == "NodesFinalized"
    assert world.settle() == "Ready"
    assert world.nodes[2].version is None


def test_failed_canary_stops_the_switch_and_names_node_and_error() -> None:
    world = World()
    world.change("w1", canary=False)
    world.apply()
    assert world.settle() == "NodesPrepared"
    condition = world.condition("NodesPrepared")
    assert condition["reason"] == "CanaryFailed"
    assert "w1: 401" in condition["message"]
    assert world.registry == OLD
    world.change("w1", canary=True)
    assert world.settle() == "Ready"


def test_node_configuration_holds_no_credential() -> None:
    world = direct()
    assert world.outcome is not None
    text = json.dumps(world.outcome.node_route)
    assert "password-1" not in text
    assert '"user"' not in text


def test_configuration_of_others_on_nodes_is_told_and_holds_nothing_up() -> None:
    world = World()
    world.change("w1", foreign=("registry.d/docker.io", "conf.d/mirrors.toml"))
    world.apply()
    assert world.settle() == "Ready"
    condition = world.condition("RuntimeSupported")
    assert condition["status"] == "True"
    assert "are left alone, on w1 (registry.d/docker.io, conf.d/mirrors.toml)" in condition["message"]


def test_a_control_plane_node_that_is_not_ready_holds_up_no_rollout_of_gateways() -> None:
    world = direct()
    assert world.outcome is not None
    assert world.outcome.gateway["maxUnavailable"] == 1
    world.change("m2", ready=False)
    world.step()
    assert world.outcome.gateway["maxUnavailable"] == 2  # its pod is one that is not available, for good
