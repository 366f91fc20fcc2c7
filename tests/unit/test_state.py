"""What the switch remembers: kept, restored, built again; and nothing else decides."""

from __future__ import annotations

import json

import pytest

from lib.registry_module.state import State, recall, restore
from tests.unit.world import UNMANAGED, direct


def test_lost_state_in_direct_serves_what_the_settings_say_while_it_is_checked() -> None:
    world = direct()
    world.state, world.checked, world.outcome = State(salt="11"), "", None
    first = world.step()
    assert [route["host"] for route in first.gateway["config"]["routes"]] == ["new.example.com"]
    assert world.settle() == "Ready"
    assert world.registry.is_virtual


def test_lost_state_and_unmanaged_keeps_gateways_and_asks_for_the_registry() -> None:
    world = direct()
    world.state, world.values = State(salt="11"), dict(UNMANAGED)
    assert world.settle() == "ImagesAvailable"
    assert world.condition("ImagesAvailable")["reason"] == "ReturnRegistryUnknown"
    assert "Set mode Direct" in world.condition("Ready")["message"]
    assert world.outcome is not None
    assert world.outcome.gateway != {}
    assert world.outcome.platform_patch is None


def test_same_facts_give_the_same_output_again() -> None:
    world = direct()
    first = world.step()
    world.minute += 7
    again = world.step()
    assert (first.gateway, first.node_route, first.state) == (again.gateway, again.node_route, again.state)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"schema": 2}', '{"schema": 1, "salt": "x"}', "{", "\x00"])
def test_unreadable_state_restores_as_empty(text: str) -> None:
    assert restore(text) == State()


def test_lost_state_is_built_again_from_what_gateways_serve() -> None:
    world = direct()
    assert world.outcome is not None
    config = json.dumps(world.outcome.gateway["config"])
    found = recall({}, "", config, salt="22")
    assert (found.gateway_routes, found.node_routes) == (world.state.gateway_routes, world.state.node_routes)
    assert (found.gateway, found.nodes, found.salt) == (True, "apply", "22")
    world.state, world.values = found, dict(UNMANAGED)
    outcome = world.step()
    assert [route["host"] for route in outcome.gateway["config"]["routes"]] == ["new.example.com"]


@pytest.mark.parametrize("config", ["", "{}", "null", '{"routes": 5}', '{"routes": [5]}', '{"routes": []}', "{"])
def test_configuration_without_routes_tells_nothing(config: str) -> None:
    assert recall(None, "", config, salt="22") == State(salt="22")


def test_values_come_before_the_secret_and_the_secret_before_gateways() -> None:
    first, second = (json.dumps(State(salt=salt).to_dict()) for salt in ("aa", "bb"))
    assert recall(json.loads(first), second, "", salt="22").salt == "aa"
    assert recall({}, second, '{"routes": []}', salt="22").salt == "bb"
