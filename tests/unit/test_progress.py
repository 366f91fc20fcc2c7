"""What people read of a switch under way: nodes that are waited for, the image check, the worst store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lib.registry_module.context import Context
from lib.registry_module.facts import StoreNumbers
from lib.registry_module.progress import store
from tests.unit.world import PROXY, UNMANAGED, World, direct
from tests.unit.world_node import Node


def waiting(world: World) -> dict[str, tuple[str, str]]:
    world.step()
    return {node["name"]: (node["reason"], node["message"]) for node in world.status()["waitingNodes"]}


def test_nobody_is_waited_for_at_rest() -> None:
    assert waiting(World()) == {}
    assert waiting(direct()) == {}


def test_each_node_that_is_behind_has_its_reason() -> None:
    world = direct()
    world.change("m2", canary=False)
    world.change("w1", version=None)
    world.change("w2", version="ab" * 8)
    assert waiting(world) == {
        "m2": ("CanaryFailed", "the test image could not be pulled: 401"),
        "w1": ("RouteNotApplied", "has no route yet"),
        "w2": ("RouteNotApplied", "has version abababababababab of the route"),
    }


def test_nodes_that_keep_the_route_are_named_on_the_way_back() -> None:
    world = direct()
    world.values = dict(UNMANAGED)
    assert world.settle() == "Ready"
    world.change("w1", version="ab" * 8)
    assert waiting(world) == {"w1": ("RouteNotRemoved", "still has the route")}


def test_ten_waiting_nodes_are_named_at_most() -> None:
    world = World(nodes=[Node("m1", True), *(Node(f"w{n:02d}") for n in range(30))])
    world.apply()
    for _ in range(20):
        world.step()
        if world.state.stage == "NodesPrepared":
            break
        next(world.followers())
    assert [node["name"] for node in world.status()["waitingNodes"]] == ["m1", *(f"w{n:02d}" for n in range(9))]


def test_image_check_tells_its_first_errors() -> None:
    world = World()
    world.broken = {"new.example.com": ("NotFound", "answered 404")}
    world.apply()
    assert world.settle() == "ImagesAvailable"
    error = {"image": "deckhouse/deckhouse", "reason": "NotFound", "message": "answered 404"}
    check = {"node": "m1", "total": 2, "checked": 2, "present": 0, "failed": 2, "errors": [error]}
    assert world.status()["imageCheck"] == check
    assert world.status()["images"] == "0/2"


def test_check_of_another_registry_counts_as_none() -> None:
    world = direct()
    world.apply(host="third.example.com")
    world.step()
    check = world.status()["imageCheck"]
    assert (check["checked"], check["present"], check["failed"], check["errors"]) == (0, 0, 0, [])


def stored(*numbers: StoreNumbers | None, error: str = "") -> dict[str, Any]:
    world = World()
    world.values = dict(PROXY)
    world.settle()
    inputs = world.inputs()
    replicas = tuple(replace(r, store=n) for r, n in zip(inputs.facts.replicas, numbers, strict=True))
    replicas = (replace(replicas[0], store_error=error), *replicas[1:])
    return store(Context(replace(inputs, facts=replace(inputs.facts, replicas=replicas)), world.state))


def test_store_of_the_worst_replica_is_shown() -> None:
    fine, damaged = StoreNumbers(), StoreNumbers(full=True, damaged=3, failed=1)
    expected = {"node": "m2", "error": "", "full": True, "damaged": 3, "fillFailed": 1}
    assert stored(fine, damaged) == expected
    assert stored(fine, damaged, error="read-only")["error"] == "read-only"
    assert stored(None, None) == {}
