"""Waves: who is in which, when the next one begins, and what people are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lib.registry_module import facts, node_facts, settings, waves
from lib.registry_module.node_rank import rank
from tests.unit.world import UNMANAGED, World, direct
from tests.unit.world_node import Node

VERSION = "a" * 16
PASSED = '{"canary": {"ok": true, "error": ""}}'


def row(name: str, *, master: bool = False, ready: bool = True, moved: bool = False) -> dict[str, Any]:
    version, report = (VERSION, PASSED) if moved else (None, None)
    address = "198.51.100.11"
    found = {"name": name, "ready": ready, "controlPlane": master, "address": address}
    return {**found, "runtime": "containerd://2.1.5", "version": version, "report": report}


def nodes(rows: list[dict[str, Any]]) -> facts.Nodes:
    return facts.parse({"nodes": node_facts.collect(rows)}, None).nodes


NAMES = st.integers(1, 40).flatmap(lambda size: st.just([f"node-{number}" for number in range(size)]))
SHARES = st.lists(st.integers(1, 19), max_size=4, unique=True).map(
    lambda found: tuple(sorted(5 * one for one in found))
)


@examples(max_examples=150)
@given(NAMES, SHARES, st.data())
def test_the_wave_reached_is_the_first_with_a_ready_node_that_has_not_moved(
    names: list[str], shares: tuple[int, ...], data: st.DataObject
) -> None:
    flags = data.draw(st.lists(st.tuples(*[st.booleans()] * 3), min_size=len(names), max_size=len(names)))
    rows = [
        row(name, master=master, ready=ready, moved=moved)
        for name, (master, ready, moved) in zip(names, flags, strict=True)
    ]
    found, plan = nodes(rows), waves.plan(shares)
    place = waves.reached(found, VERSION, shares, 0)
    if not any(one["ready"] for one in rows):
        assert place == 0, "nobody has proved anything"
        return
    behind = [one for one in rows if one["ready"] and not one["version"]]
    few = sum(one["ready"] and not one["controlPlane"] for one in rows) < waves.FEW
    for number, wave in enumerate(plan[:-1]):
        if few and wave.share:
            assert number != place
            continue
        waiting = [one for one in behind if waves.includes(found, wave, one["name"])]
        if number < place:
            assert not waiting, f"{wave.label} was passed over"
        if number == place:
            assert waiting, f"{wave.label} holds up nobody"
            assert waves.waited_for(found, VERSION, wave) == len(waiting)
            assert waves.silent(found, wave) == len(waiting)
    assert waves.reached(found, VERSION, shares, place) == place
    sizes, before = [], set[str]()
    for wave in plan:
        if few and 0 < wave.share < 100:
            continue
        reached = {one["name"] for one in rows if one["ready"] and waves.includes(found, wave, one["name"])}
        if reached - before:
            sizes.append((wave.label, len(reached - before)))
        before |= reached
    assert waves.sizes(found, shares) == sizes
    assert all(waves.includes(found, plan[-1], name) for name in names)


def test_a_small_cluster_takes_three_rounds() -> None:
    world = World()
    world.apply()
    rounds: list[str] = []
    while world.settle_once():
        assert world.outcome is not None
        wave = world.outcome.node_route.get("wave")
        if world.state.stage == "NodesPrepared" and world.state.nodes:
            told = "all" if wave is None else " ".join(wave["names"])
            rounds += [told] if told not in rounds else []
    assert rounds == ["w1", "m1 m2", "all"]


def test_first_goes_the_ready_worker_of_the_lowest_rank() -> None:
    workers = sorted((f"w{number}" for number in range(9)), key=rank)
    rows = [row("m1", master=True), *map(row, workers)]
    rows[1]["ready"] = False
    first = nodes(rows).first
    assert first is not None
    assert first.name == workers[1]


def test_without_workers_a_master_goes_first() -> None:
    first = nodes([row("m1", master=True)]).first
    assert first is not None
    assert first.name == "m1"


def test_a_switch_goes_wave_by_wave_and_each_is_told() -> None:
    world = World(nodes=[Node("m1", True), *(Node(f"w{number}") for number in range(1, 25))])
    world.apply()
    order: list[str] = []
    told: list[str] = []
    for _ in range(200):
        world.step()
        message = world.condition("NodesPrepared")["message"]
        if "Wave " in message and (not told or message.split("Wave ")[1] != told[-1]):
            told.append(message.split("Wave ")[1])
        before = [node.name for node in world.nodes if node.version]
        if next(world.followers(), None) is None:
            break
        order += [node.name for node in world.nodes if node.version and node.name not in before]
    by_rank = sorted((node.name for node in world.nodes if not node.control_plane), key=rank)
    assert order[:2] == [by_rank[0], "m1"]
    half = [name for name in by_rank if rank(name) < 50]
    assert set(order[: 1 + len(half)]) == {*half, "m1"}
    assert told[0].startswith("1 of 5: one node; the next one begins when all of it do")
    assert any(text.startswith("2 of 5: the control plane") for text in told)
    assert any(text.startswith("4 of 5: 50 % of the workers") for text in told)


def test_a_node_that_fails_halts_the_wave_is_named_and_the_others_keep_what_they_have() -> None:
    world = direct()
    world.change("w1", canary=False)
    world.apply(host="third.example.com")
    assert world.settle() == "NodesPrepared"
    condition = world.condition("NodesPrepared")
    assert condition["reason"] == "CanaryFailed"
    assert "Wave 1 of 5: one node" in condition["message"]
    assert "It fails on w1: 401." in condition["message"]
    moved = {node.name for node in world.nodes if node.version == world.nodes[2].version}
    assert moved == {"w1"}, "the first by rank"
    waiting = {one["name"]: one["reason"] for one in world.status()["waitingNodes"]}
    assert waiting == {"w1": "CanaryFailed", **dict.fromkeys(("m1", "m2", "w2"), "WaveNotReached")}
    world.change("w1", canary=True)
    assert world.settle() == "Ready"


def test_a_first_node_that_comes_and_goes_changes_no_later_wave() -> None:
    world = direct()
    world.change("m1", canary=False)
    world.apply(host="third.example.com")
    assert world.settle() == "NodesPrepared"
    assert world.outcome is not None
    told = world.outcome.node_route
    assert told["wave"]["names"] == ["m1", "m2"]
    for ready in (False, True):
        world.change("w1", ready=ready)
        world.step()
        assert world.outcome.node_route["wave"] == told["wave"]


def test_a_wave_that_was_reached_is_not_left_for_a_node_that_comes_late() -> None:
    world = direct()
    world.change("w2", canary=False)
    world.apply(host="third.example.com")
    world.settle()
    assert world.state.wave[1] == 4
    world.nodes.append(Node("w3"))  # of a lower rank than all
    world.step()
    assert world.outcome is not None
    assert "wave" not in world.outcome.node_route


def test_a_node_without_any_route_gets_it_at_once_where_the_address_is_in_use() -> None:
    world = direct()
    world.change("w1", canary=False)
    world.apply(host="third.example.com")
    world.settle()
    assert world.outcome is not None
    assert world.outcome.node_route["wave"]["fresh"] is True
    world.nodes.append(Node("w2x"))
    world.settle()
    assert world.nodes[-1].version == world.outcome.node_route["version"]


def test_a_change_of_mind_in_the_first_wave_reaches_no_further_node() -> None:
    world = World()
    world.apply()
    world.change("w1", canary=False)
    assert world.settle() == "NodesPrepared"
    assert [node.name for node in world.nodes if node.version] == ["w1"]
    world.values = dict(UNMANAGED)
    seen: set[str] = set()
    while world.settle_once():
        seen |= {node.name for node in world.nodes if node.version}
    assert seen <= {"w1"}
    assert world.state.stage == "Ready"
    assert [node.version for node in world.nodes] == [None] * 4


def test_without_waves_all_nodes_get_the_route_at_once() -> None:
    world = World(values={**UNMANAGED, "nodes": {"waves": []}})
    world.apply()
    world.values["nodes"] = {"waves": []}
    while not world.state.nodes:
        world.step()
        next(world.followers(), None)
    assert world.outcome is not None
    assert "wave" not in world.outcome.node_route
    assert world.settle() == "Ready"


@pytest.mark.parametrize(
    "value", ["secret", 10, [7], [0], [100], [50, 10], [10, 10], ["10"], [True], [5.0], list(range(5, 50, 5)), {}]
)
def test_wrong_waves_are_named_in_every_mode_and_not_shown(value: Any) -> None:
    for values in (UNMANAGED, {"mode": "Local"}):
        verdict = settings.parse({**values, "nodes": {"waves": value}})
        assert verdict.settings is None
        assert [error.field for error in verdict.errors] == ["nodes.waves"]
        assert "secret" not in str(verdict.errors[0])
    assert [str(error) for error in settings.parse({**UNMANAGED, "nodes": 5}).errors] == ["nodes: must be an object"]


def test_waves_survive_the_state() -> None:
    found = settings.parse({**UNMANAGED, "nodes": {"waves": [5, 95]}}).settings
    assert found is not None
    assert found.waves == (5, 95)
    assert settings.Settings.from_dict(found.to_dict()) == found
    assert settings.Settings.from_dict(replace(found, waves=(10, 50)).to_dict()).waves == (10, 50)


def test_a_moment_without_any_ready_node_opens_no_wave() -> None:
    rows = [row("node-1", ready=False), row("m1", master=True, ready=False)]
    assert waves.reached(nodes(rows), VERSION, (10, 50), 0) == 0
    assert waves.reached(nodes(rows), VERSION, (10, 50), 2) == 2
    assert waves.reached(nodes(rows), VERSION, (), 2) == 0


def test_a_node_that_fails_at_rest_keeps_nobody_from_new_addresses_of_gateways() -> None:
    world = direct()
    assert world.outcome is not None
    first = min((node.name for node in world.nodes if not node.control_plane), key=rank)
    world.change(first, canary=False)
    for old, new in (("m1", "198.51.100.14"), ("m2", "198.51.100.15")):
        world.nodes = [node for node in world.nodes if node.name != old]
        world.nodes.append(Node(new.rpartition(".")[2], True, address=new))
        world.settle()
        assert "wave" not in world.outcome.node_route
    wanted = world.outcome.node_route["version"]
    assert {node.version for node in world.nodes if node.name != first} == {wanted}
