"""The switch and what only gateways know: failovers, token servers, the cluster's proxy."""

from __future__ import annotations

from typing import Any

import pytest

from lib.registry_module.state import State
from tests.unit.world import World

MIRROR = {"host": "mirror.example.com", "user": "other", "password": "password-of-mirror"}
PROXY = {"httpsProxy": "http://u:password-of-proxy@proxy.example.com:3128", "noProxy": [".corp"]}


def direct(**section: Any) -> World:
    world = World()
    world.apply(**section)
    assert world.settle() == "Ready"
    return world


def hosts(world: World) -> list[str]:
    return [route["host"] for route in world.routes()]


def follow(world: World) -> list[tuple[str, list[str]]]:
    """Let the cluster follow one part at a time; (stage, hosts of the gateways' routes) after each step.

    Nodes and Deckhouse must see nothing of it.
    """
    assert world.outcome is not None
    route, registry, pods = world.outcome.node_route, world.registry, world.pods
    steps = []
    for _ in range(60):
        outcome = world.step()
        steps.append((world.state.stage, hosts(world)))
        assert outcome.node_route == route
        assert outcome.platform_patch is None
        if next(world.followers(), None) is None and world.state.stage == "Ready":
            break
    assert (world.registry, world.pods) == (registry, pods)
    return steps


def test_new_failover_goes_to_the_gateways_and_to_nobody_else() -> None:
    world = direct()
    checked = world.checked
    world.apply(failover=[MIRROR])
    steps = follow(world)
    assert steps[0] == ("GatewayReady", ["new.example.com", "mirror.example.com"])
    assert {stage for stage, _ in steps} == {"GatewayReady", "Ready"}
    assert steps[-1] == ("Ready", ["new.example.com", "mirror.example.com"])
    assert world.checked == checked  # the main address has been checked already


def test_failover_that_is_taken_away_is_served_until_the_switch_is_done() -> None:
    world = direct(failover=[MIRROR, {"host": "second.example.com"}])
    world.apply(failover=[{"host": "second.example.com"}])
    steps = follow(world)
    assert steps[0] == ("GatewayReady", ["new.example.com", "second.example.com", "mirror.example.com"])
    assert steps[-1] == ("Ready", ["new.example.com", "second.example.com"])


def test_new_token_server_is_checked_before_it_is_used() -> None:
    world = direct()
    before = world.checked
    world.broken = {"new.example.com": ("Unauthorized", "new.example.com answered 401")}
    world.checked = ""
    world.apply(tokenRealms=["auth.example.com"])
    assert world.settle() == "ImagesAvailable"
    assert world.outcome is not None
    check = world.outcome.gateway["config"]["check"]
    assert check["version"] != before
    assert check["upstream"]["realms"] == ["auth.example.com"]
    assert ["realms" in route for route in world.routes()] == [False]
    world.broken, world.checked = {}, ""
    follow(world)
    assert [route["realms"] for route in world.routes()] == [["auth.example.com"]]


def test_failovers_of_a_new_registry_come_before_the_old_one() -> None:
    world = direct(failover=[MIRROR])
    world.apply(host="third.example.com", failover=[{"host": "fourth.example.com"}])
    seen = []
    for _ in range(60):
        world.step()
        seen.append(hosts(world))
        next(world.followers(), None)
    assert ["third.example.com", "fourth.example.com", "new.example.com", "mirror.example.com"] in seen
    assert hosts(world) == ["third.example.com", "fourth.example.com"]
    assert world.state.stage == "Ready"


def test_lost_state_is_served_with_failovers() -> None:
    world = direct(failover=[MIRROR])
    world.state, world.checked, world.outcome = State(salt="11"), "", None
    world.step()
    assert hosts(world) == ["new.example.com", "mirror.example.com"]


@pytest.mark.parametrize("way", ["on", "off"])
def test_change_of_the_proxy_reloads_gateways_and_touches_nothing_else(way: str) -> None:
    world = World(proxy={} if way == "on" else PROXY)
    world.apply()
    world.settle()
    checked, world.proxy = world.checked, PROXY if way == "on" else {}
    assert {stage for stage, _ in follow(world)} == {"GatewayReady", "Ready"}
    assert world.outcome is not None
    wanted = {"https": PROXY["httpsProxy"], "except": [".corp"]} if way == "on" else None
    assert world.outcome.gateway["config"]["proxy"] == wanted
    assert world.checked == checked


@pytest.mark.parametrize("proxy", [{"httpProxy": "proxy:3128"}, {"httpProxy": 5}, {"noProxy": ["x"]}, [], "http://p"])
def test_unusable_proxy_is_no_proxy_and_holds_nothing_up(proxy: Any) -> None:
    world = World(proxy=proxy)
    world.apply()
    assert world.settle() == "Ready"
    assert world.outcome is not None
    assert world.outcome.gateway["config"]["proxy"] is None


def test_status_names_no_password_of_failover_or_proxy() -> None:
    world = direct(failover=[MIRROR])
    world.proxy = PROXY
    world.settle()
    assert "password-of" in str(world.outcome)
    assert "password-of" not in str(world.status())
    assert "password-of" not in str(world.outcome.node_route)  # type: ignore[union-attr] # settled
