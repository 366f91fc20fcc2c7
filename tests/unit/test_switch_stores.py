"""Proxy and Local: what gateways and nodes are told at which moment, and what people read while they wait."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lib.registry_module.facts import Replica
from lib.registry_module.state import rebuild
from lib.registry_module.switch import advance
from tests.unit.world import LOCAL, PROXY, STORE, UNMANAGED, World, direct

MISSING = ("NotFound", "2 of its layers are not here; push it")


def proxy() -> World:
    world = World(values=dict(PROXY))
    assert world.settle() == "Ready"
    return world


def local() -> World:
    world = World(values=dict(LOCAL))
    assert world.settle() == "Ready"
    return world


def lines(world: World, word: str) -> list[str]:
    assert world.outcome is not None
    return [line for line in world.outcome.node_route["conf"].splitlines() if line.startswith(word + " ")]


def store(world: World) -> dict[str, Any]:
    assert world.outcome is not None
    return dict(world.outcome.gateway["config"]["store"])


def test_proxy_has_nodes_ask_gateways_only_and_gateways_the_registry() -> None:
    world = proxy()
    assert store(world)["role"] == "cache"
    assert [route["host"] for route in world.routes()] == ["new.example.com"]
    assert lines(world, "upstream") == []
    assert json.loads(world.registry.dockerconfig)["auths"]["registry.d8-system.svc:5001"]["username"] == "ro"
    assert world.status()["target"] == "new.example.com/deckhouse/ee"


def test_local_has_no_registry_behind_the_gateways() -> None:
    world = local()
    assert store(world)["role"] == "copy"
    assert world.routes() == []
    assert world.outcome is not None
    assert world.outcome.gateway["config"]["check"]["upstream"] is None
    assert [peer["name"] for peer in world.outcome.gateway["config"]["peers"]] == ["m1", "m2"]
    assert world.outcome.gateway["store"] == {"path": "/opt/deckhouse/registry/store", "owner": 64535, "mode": "0750"}
    assert "the gateways' own stores" in world.condition("Ready")["message"]


def test_on_the_way_from_direct_nodes_ask_gateways_before_the_old_registry() -> None:
    world = direct()
    world.values = dict(PROXY)
    while lines(world, "first") == []:
        world.step()
        next(world.followers(), None)
    assert world.state.stage == "NodesPrepared"
    assert len(lines(world, "upstream")) == 1
    assert world.settle() == "Ready"
    assert lines(world, "upstream") == lines(world, "first") == []


def test_a_copy_is_filled_while_the_old_registry_serves() -> None:
    world = direct()
    world.values = dict(LOCAL)
    world.broken[STORE] = MISSING
    assert world.settle() == "ImagesAvailable"
    condition = world.condition("ImagesAvailable")
    assert condition["reason"] == "ImagesMissing"
    assert "at the gateways' own stores, asked from m1: 2 of its layers are not here; push it" in condition["message"]
    assert store(world)["role"] == "copy"
    assert [route["host"] for route in world.routes()] == ["new.example.com"]
    assert lines(world, "first") == []
    del world.broken[STORE]
    world.checked = ""
    assert world.settle() == "Ready"
    assert world.routes() == []


def test_a_copy_becomes_a_cache_only_when_the_registry_behind_it_was_found_good() -> None:
    world = local()
    world.values = dict(PROXY)
    world.broken["new.example.com"] = ("Unauthorized", "new.example.com answered 401")
    assert world.settle() == "ImagesAvailable"
    assert store(world)["role"] == "copy"
    del world.broken["new.example.com"]
    world.checked = ""
    assert world.settle() == "Ready"
    assert store(world)["role"] == "cache"


def test_a_store_that_is_not_wanted_any_more_stands_by_until_all_have_moved() -> None:
    world = local()
    world.apply()
    roles = []
    while world.settle_once():
        roles.append((world.outcome.gateway["config"].get("store") or {}).get("role", ""))  # type: ignore[union-attr] # set by the step
    assert list(dict.fromkeys(roles)) == ["copy", "spare", ""]
    assert world.state.stage == "Ready"


@pytest.mark.parametrize("start", [proxy, local])
def test_the_way_back_ends_without_gateways_and_store(start: Any) -> None:
    world = start()
    world.values = dict(UNMANAGED)
    assert world.settle() == "Ready"
    assert world.outcome is not None
    assert (world.outcome.gateway, world.outcome.node_route, world.state.store) == ({}, {}, None)
    assert world.registry.address == "old.example.com"


def test_a_store_that_does_not_work_is_named_with_its_node() -> None:
    world = proxy()
    inputs = world.inputs()
    replicas = tuple(replace(each, store_error="the disk is read-only") for each in inputs.facts.replicas[:1])
    facts = replace(inputs.facts, replicas=(*replicas, *inputs.facts.replicas[1:]))
    found = advance(replace(inputs, facts=facts), world.state)
    condition = next(c for c in found.state.conditions if c["type"] == "GatewayReady")
    assert condition["reason"] == "StoreUnusable"
    assert "m1: the disk is read-only." in condition["message"]
    assert Replica("m1").store_error == ""


def test_a_copy_is_not_left_for_an_empty_folder() -> None:
    world = local()
    world.values = {**LOCAL, "storage": {"path": "/mnt/registry"}}
    assert world.settle() == "SettingsValid"
    assert "storage.path: cannot change while mode is Local" in world.condition("SettingsValid")["message"]
    assert store(world)["path"] == "/opt/deckhouse/registry/store"
    world.values = {**PROXY, "storage": {"path": "/mnt/registry"}}
    assert world.settle() == "Ready"
    assert store(world)["path"] == "/mnt/registry"


def test_a_copy_on_a_broken_disk_does_not_hold_up_the_way_to_another_folder() -> None:
    world = local()
    world.values = {**PROXY, "storage": {"path": "/mnt/registry"}}
    world.store_errors = {"m1": "the disk is read-only"}
    while store(world)["role"] == "copy":
        assert world.settle_once()
    assert world.condition("GatewayReady")["reason"] != "StoreUnusable"
    world.store_errors = {}
    assert world.settle() == "Ready"


def test_from_a_store_nodes_ask_the_registry_only_when_the_login_is_its_own() -> None:
    world = local()
    world.apply()
    firsts = []
    while world.settle_once():
        own = json.loads(world.rendered.dockerconfig)["auths"].get("registry.d8-system.svc:5001", {})
        firsts.append((own.get("username"), bool(lines(world, "upstream")), bool(lines(world, "first"))))
    assert ("ro", True, True) in firsts
    assert ("ro", True, False) not in firsts
    assert lines(world, "first") == []


def test_a_platform_that_pulls_without_a_login_is_served_until_it_has_one() -> None:
    world = World(values={"mode": "Direct", "direct": {"host": "new.example.com", "path": "/deckhouse/ee"}})
    assert world.settle() == "Ready"
    world.values = dict(LOCAL)
    served = []
    while world.settle_once():
        without = "username" not in world.registry.dockerconfig
        served.append((without, world.outcome.gateway["config"]["clients"]["anonymous"]))  # type: ignore[union-attr] # set by the step
    assert {anonymous for without, anonymous in served if without} == {True}
    assert served[-1] == (False, False)


@pytest.mark.parametrize("start", [proxy, local])
def test_lost_state_is_built_again_with_its_store(start: Any) -> None:
    world = start()
    assert world.outcome is not None
    before, config = world.state, world.outcome.gateway["config"]
    world.state = replace(rebuild(json.dumps(config)), salt=before.salt)
    assert (world.state.store, world.state.gateways_first) == (before.store, True)
    assert world.settle() == "Ready"
    assert world.outcome.gateway["config"]["version"] == config["version"]
