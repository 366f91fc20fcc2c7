"""New passwords and licences of the same registry, and old ones that have expired."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.unit.world import DIRECT, PROXY, World, direct

HOST = "new.example.com"
SOURCE = {"host": HOST, "path": "/deckhouse/ee", "license": "KEY-1"}


def rest(values: dict[str, Any]) -> World:
    world = World()
    world.values = copy.deepcopy(values)
    assert world.settle() == "Ready"
    world.stages.clear()
    return world


def passwords(world: World) -> list[str]:
    return [route["password"] for route in world.routes()]


def authorized(world: World) -> dict[str, Any]:
    world.step()
    return world.condition("UpstreamAuthorized")


def test_new_password_in_direct_is_checked_first_and_both_are_accepted_until_deckhouse_has_it() -> None:
    world = direct()
    before, route = world.registry, world.step().node_route
    world.apply(password="password-2")
    accepted = {}
    while world.settle_once():
        accepted[world.state.stage] = passwords(world)
        assert world.outcome is not None
        assert world.outcome.node_route == route  # no node has to do anything
        if world.checked != world.outcome.gateway["config"]["check"]["version"]:
            assert passwords(world) == ["password-1"]
            assert world.registry == before
    assert accepted["PlatformSwitched"] == ["password-2", "password-1"]
    assert passwords(world) == ["password-2"]
    assert world.state.stage == "Ready"


@pytest.mark.parametrize("mode", [DIRECT, PROXY])
def test_new_password_that_the_registry_refuses_changes_nothing(mode: dict[str, Any]) -> None:
    world = rest(mode)
    before = world.registry
    world.values[mode["mode"].lower()]["password"] = "wrong-password"
    world.broken = {HOST: ("Unauthorized", HOST + " answered 401")}
    assert world.settle() == "ImagesAvailable"
    assert world.condition("ImagesAvailable")["reason"] == "CredentialsRefused"
    assert passwords(world) == ["password-1"]
    assert world.registry == before


@pytest.mark.parametrize(
    ("values", "change"),
    [
        (PROXY, {"password": "password-2"}),
        ({"mode": "Proxy", "proxy": SOURCE}, {"license": "KEY-2"}),
        ({"mode": "Local", "local": {"source": SOURCE}}, {"license": "KEY-2"}),
    ],
    ids=["password", "licence", "source of the copy"],
)
def test_where_gateways_keep_content_a_new_login_reaches_nobody_but_them(
    values: dict[str, Any], change: dict[str, str]
) -> None:
    world = rest(values)
    before, rendered, version = world.registry, world.rendered, world.step().gateway["version"]
    route = world.step().node_route
    section = world.values[values["mode"].lower()]
    section.get("source", section).update(change)
    stages = set()
    while world.settle_once():
        stages.add(world.state.stage)
        assert world.outcome is not None
        assert world.outcome.platform_patch is None
        assert world.outcome.node_route == route
    assert (world.registry, world.rendered, world.state.stage) == (before, rendered, "Ready")
    assert stages <= {"GatewayReady", "ImagesAvailable", "Ready"}
    assert world.outcome is not None
    assert world.outcome.gateway["version"] != version


@pytest.mark.parametrize(("word", "reason"), [("Unauthorized", "CredentialsRefused"), ("Forbidden", "AccessForbidden")])
def test_registry_that_refuses_the_login_is_told_and_holds_nothing_up(word: str, reason: str) -> None:
    world = direct()
    assert authorized(world)["status"] == "True"
    world.refused = {HOST: word}
    condition = authorized(world)
    assert (condition["status"], condition["reason"]) == ("False", reason)
    assert condition["message"].startswith(f"{HOST} refuses what the gateways on m1, m2 ask it for ({word}). ")
    assert "ModuleConfig registry" in condition["message"]
    assert (world.settle(), world.condition("Ready")["status"]) == ("Ready", "True")


def test_refusal_that_only_the_image_check_finds_is_told_too() -> None:
    world = direct()
    world.broken = {HOST: ("Forbidden", "answered 403")}
    assert authorized(world)["reason"] == "AccessForbidden"


def test_without_a_registry_or_a_report_nothing_is_claimed() -> None:
    assert authorized(World())["reason"] == "NotNeeded"
    assert authorized(rest({"mode": "Local", "local": {}}))["reason"] == "NotNeeded"
    world = World()
    world.apply()
    condition = authorized(world)
    assert (condition["status"], condition["reason"]) == ("Unknown", "NotAsked")
