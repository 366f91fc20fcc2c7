"""Kubelets prove pulls with the platform's new login before it is used; once for each switch, never at rest."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.world import DIRECT, LOCAL, OLD, PAUSE, PROXY, UNMANAGED, World, direct
from tests.unit.world_node import Node


def failing() -> World:
    world = World(unpulled={"w2": 'Back-off pulling image "x": ErrImagePull: 401 Unauthorized'})
    world.apply()
    world.settle()
    return world


def test_a_kubelet_that_cannot_pull_holds_the_switch_before_the_platform_uses_the_login() -> None:
    world = failing()
    assert world.state.stage == "PullsProved"
    condition = world.condition("PullsProved")
    assert (condition["status"], condition["reason"]) == ("False", "PullFailed")
    assert (
        "The kubelets of 3 of 4 Ready nodes have pulled registry.d8-system.svc:5001/system/deckhouse@"
        in (condition["message"])
    )
    assert "It fails on w2: 401 Unauthorized. Correct the login" in condition["message"]
    assert world.registry == OLD
    assert world.status()["waitingNodes"] == [
        {"name": "w2", "reason": "PullFailed", "message": "401 Unauthorized"},
    ]


def test_pods_are_wanted_for_one_stage_and_have_the_login_to_be_proved() -> None:
    world = failing()
    assert world.outcome is not None
    proof = world.outcome.proof
    assert proof["image"] == f"registry.d8-system.svc:5001/system/deckhouse@{PAUSE}"
    assert '"password":"password-1"' in proof["dockerconfig"]
    world.unpulled = {}
    assert world.settle() == "Ready"
    assert (world.outcome.proof, world.state.proved) == ({}, proof["version"])


def test_nodes_that_are_waited_for_are_named() -> None:
    world = World()
    world.apply()
    while world.state.stage != "PullsProved":
        world.settle_once()
    condition = world.condition("PullsProved")
    assert condition["reason"] == "PullsRunning"
    assert "of 0 of 4" in condition["message"]
    assert (
        "Waiting for pods to start. If it lasts: kubectl -n d8-system describe pod -l app=registry-proof"
        in (condition["message"])
    )


def proofs_of(world: World, **section: str) -> bool:
    """Whether a switch to these settings goes through the stage."""
    world.stages.clear()
    world.apply(**section)
    assert world.settle() == "Ready"
    return "PullsProved" in world.stages


def test_another_login_or_registry_is_proved_again_and_the_same_is_not() -> None:
    world = direct()
    assert proofs_of(world, password="password-2")
    assert proofs_of(world, password="password-2", host="third.example.com")
    assert not proofs_of(world, password="password-2", host="third.example.com")


def test_modes_with_a_store_are_proved_too() -> None:
    world = direct()
    for values in (PROXY, LOCAL):
        world.stages.clear()
        world.values = dict(values)
        assert world.settle() == "Ready"
        assert ("PullsProved" in world.stages) == (values is PROXY), "from Proxy to Local neither login nor way changes"


def test_a_new_master_proves_nothing_again() -> None:
    world = direct()
    world.stages.clear()
    world.nodes.append(Node("m3", True, address="198.51.100.13"))
    assert world.settle() == "Ready"
    assert "PullsProved" not in world.stages


def test_without_a_memory_what_the_platform_pulls_by_counts_as_proved() -> None:
    world = direct()
    world.stages.clear()
    world.state = replace(world.state, proved="")
    assert world.settle() == "Ready"
    assert "PullsProved" not in world.stages
    assert world.state.proved


def test_the_way_back_needs_no_proof_and_forgets_the_old_one() -> None:
    world = direct()
    world.stages.clear()
    world.values = dict(UNMANAGED)
    world.settle()
    assert "PullsProved" not in world.stages
    assert world.state.proved == ""


def test_a_change_of_mind_at_this_stage_leaves_no_pods() -> None:
    world = failing()
    world.values = dict(UNMANAGED)
    world.settle()
    assert world.outcome is not None
    assert (world.outcome.proof, world.registry, world.proof) == ({}, OLD, "")


def test_without_a_small_image_there_is_no_proof() -> None:
    world = World(unpulled={"w2": "never asked"})
    world.values = {**DIRECT, "direct": {**DIRECT["direct"], "checkMode": "Relax"}}  # type: ignore[dict-item] # a literal of mixed values
    assert world.settle() == "Ready"
    assert "PullsProved" not in world.stages


def test_a_node_that_joins_does_not_begin_the_proof_anew() -> None:
    world = failing()
    assert world.outcome is not None
    begun = world.outcome.proof
    world.nodes.append(Node("w9", address="198.51.100.29"))
    world.step()
    assert world.state.stage == "NodesPrepared"
    assert world.outcome.proof == begun
    world.apply(password="password-2")
    world.step()
    assert world.outcome.proof == {}, "what these pods prove is not wanted any more"


def test_pods_of_the_proof_go_with_a_change_of_mind() -> None:
    world = failing()
    assert world.outcome is not None
    world.values = dict(UNMANAGED)
    world.step()
    assert world.outcome.proof == {}
