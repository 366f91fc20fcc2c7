"""The switch in a miniature cluster: whole ways through the stages, and what holds them back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lib.registry_module import facts, names
from tests.unit.world import DIGEST, OLD, UNMANAGED, World, direct
from tests.unit.world_node import Node


def test_unmanaged_from_the_start_touches_nothing() -> None:
    world = World()
    assert world.settle() == "Ready"
    assert world.outcome is not None
    assert (world.outcome.gateway, world.outcome.node_route, world.outcome.platform_patch) == ({}, {}, None)
    assert world.registry == OLD


def test_direct_is_reached_through_all_stages_in_order() -> None:
    world = direct()
    assert world.stages == [
        "GatewayReady",
        "ImagesAvailable",
        "GatewayReady",  # the gateways take the new registry into service before any node is told
        "NodesPrepared",
        "PullsProved",
        "PlatformSwitched",
        "Ready",
    ]
    assert world.registry.is_virtual
    assert all(condition["status"] == "True" for condition in world.state.conditions)
    assert world.status()["nodes"] == "4/4"
    assert world.status()["images"] == "2/2"
    assert world.status()["target"] == "new.example.com/deckhouse/ee"


def test_way_back_returns_the_registry_of_before_and_cleans_nodes() -> None:
    world = direct()
    world.values = dict(UNMANAGED)
    world.stages.clear()
    assert world.settle() == "Ready"
    assert world.registry.same_as(OLD)
    assert [node.version for node in world.nodes] == [None] * 4
    assert world.outcome is not None
    assert (world.outcome.gateway, world.outcome.node_route) == ({}, {})
    assert world.stages.index("PlatformSwitched") < world.stages.index("NodesFinalized")


def test_way_back_does_not_need_the_registry_it_leaves() -> None:
    world = direct()
    world.broken = {"new.example.com": ("Unreachable", "new.example.com is gone")}
    for node in ("m1", "m2", "w1", "w2"):
        world.change(node, canary=False)
    world.values = dict(UNMANAGED)
    assert world.settle() == "Ready"
    assert world.registry.same_as(OLD)


def test_pods_at_the_virtual_address_keep_gateways_and_routes() -> None:
    world = direct()
    world.values = dict(UNMANAGED)
    for _ in range(40):
        world.step()
        next(world.followers(), None)
        world.pods = ("team/web",)
    assert world.state.stage == "Drained"
    assert "team/web" in world.condition("Drained")["message"]
    assert world.outcome is not None
    assert world.outcome.gateway
    assert world.outcome.node_route["action"] == "apply"
    world.pods = ()
    assert world.settle() == "Ready"


@pytest.mark.parametrize(
    ("reported", "reason"),
    [
        ("Unreachable", "RegistryUnreachable"),
        ("TLSFailed", "CertificateNotTrusted"),
        ("Unauthorized", "CredentialsRefused"),
        ("Forbidden", "AccessForbidden"),
        ("NotFound", "ImagesMissing"),
        ("NotARegistry", "NotARegistry"),
        ("SomethingNew", "UpstreamError"),
    ],
)
def test_wrong_upstream_stops_before_any_node_is_touched(reported: str, reason: str) -> None:
    world = World(broken={"new.example.com": (reported, "new.example.com answered 418, do this")})
    world.apply()
    assert world.settle() == "ImagesAvailable"
    condition = world.condition("ImagesAvailable")
    assert (condition["status"], condition["reason"]) == ("False", reason)
    for word in ("deckhouse/deckhouse", "new.example.com", "418", "do this"):
        assert word in condition["message"]
    assert world.outcome is not None
    assert world.outcome.node_route == {}
    assert world.outcome.gateway["config"]["routes"] == []
    assert world.registry == OLD
    assert world.condition("Ready")["reason"] == "ImagesAvailable"


def test_wrong_password_later_keeps_the_old_route_in_service_and_its_repair_ends_ready() -> None:
    world = direct()
    before = world.registry
    world.broken = {"new.example.com": ("Unauthorized", "new.example.com answered 401")}
    world.apply(password="password-2")
    assert world.settle() == "ImagesAvailable"
    assert world.outcome is not None
    routes = world.outcome.gateway["config"]["routes"]
    assert [route["password"] for route in routes] == ["password-1"]
    assert world.outcome.node_route["action"] == "apply"
    assert world.registry == before
    assert world.condition("PlatformSwitched")["status"] == "Unknown"
    world.broken = {}
    world.checked = ""
    assert world.settle() == "Ready"
    assert "password-2" in world.registry.dockerconfig


def test_change_of_registry_serves_old_and_new_until_all_nodes_moved() -> None:
    world = direct()
    world.apply(host="third.example.com")
    seen: set[tuple[str, ...]] = set()
    for _ in range(60):
        outcome = world.step()
        seen.add(tuple(route["host"] for route in outcome.gateway["config"]["routes"]))
        if world.state.stage in ("NodesPrepared", "PlatformSwitched"):
            conf = outcome.node_route["conf"]
            assert conf.index("third.example.com") < conf.index("new.example.com")
        next(world.followers(), None)
    assert world.state.stage == "Ready"
    assert ("third.example.com", "new.example.com") in seen
    assert [route["host"] for route in world.outcome.gateway["config"]["routes"]] == ["third.example.com"]  # type: ignore[union-attr]
    assert "new.example.com" not in world.outcome.node_route["conf"]  # type: ignore[union-attr]


@pytest.mark.parametrize("steps", range(0, 30, 3))
def test_change_of_mind_at_any_step_ends_unmanaged(steps: int) -> None:
    world = World()
    world.apply()
    for _ in range(steps):
        world.step()
        next(world.followers(), None)
    world.values = dict(UNMANAGED)
    assert world.settle() == "Ready"
    assert world.registry.same_as(OLD)
    assert world.outcome is not None
    assert (world.outcome.gateway, world.outcome.node_route) == ({}, {})


def test_other_runtime_is_named_and_nothing_is_touched() -> None:
    world = World()
    world.nodes.append(Node("docker-1", runtime="docker://20.10.24"))
    world.apply()
    assert world.settle() == "RuntimeSupported"
    assert "docker-1 (docker://20.10.24)" in world.condition("RuntimeSupported")["message"]
    assert world.outcome is not None
    assert (world.outcome.gateway, world.outcome.node_route) == ({}, {})


def test_embedded_module_makes_everything_stand_aside() -> None:
    world = World(embedded=("Secret d8-system/registry-config",))
    world.apply()
    assert world.settle() == "RuntimeSupported"
    assert world.condition("RuntimeSupported")["reason"] == "EmbeddedModulePresent"


def test_unmanaged_beside_the_embedded_module_leaves_its_address_alone() -> None:
    virtual = replace(OLD, address=names.VIRTUAL_HOST)
    world = World(embedded=("Secret d8-system/registry-config",), registry=virtual, rendered=virtual)
    assert world.settle() == "Ready"
    assert world.outcome is not None
    assert (world.outcome.gateway, world.outcome.node_route, world.outcome.platform_patch) == ({}, {}, None)


def test_return_before_gateways_ever_ran_ends_at_once() -> None:
    world = World(broken={"old.example.com": ("Unreachable", "old.example.com is gone")})
    world.apply()
    world.step()
    assert world.state.gateway
    world.values = dict(UNMANAGED)
    for _ in range(3):
        world.step()  # nobody follows: no gateway ever becomes Ready
    assert world.state.stage == "Ready"
    assert world.outcome is not None
    assert world.outcome.gateway == {}


def test_images_of_downloaded_modules_are_not_expected_at_the_platform_s_registry() -> None:
    digests = {"common": {"pause": DIGEST}, "operatorTrivy": {"scan": DIGEST}, "registry": {"gateway": DIGEST}}
    raw = {"platform": {"downloaded": [{"name": name} for name in ("operator-trivy", "registry")]}}
    found = facts.parse(raw, {"modulesImages": {"digests": digests}})
    assert found.digests == (("common/pause", DIGEST),)


def test_invalid_settings_keep_the_last_valid_ones_in_force() -> None:
    world = direct()
    world.apply(host="bad host@x")
    world.settle()
    assert world.condition("SettingsValid")["status"] == "False"
    assert "direct.host" in world.condition("SettingsValid")["message"]
    assert world.condition("Ready")["reason"] == "SettingsInvalid"
    assert world.condition("NodesFinalized")["status"] == "True"
    assert world.outcome is not None
    assert [r["host"] for r in world.outcome.gateway["config"]["routes"]] == ["new.example.com"]


def test_invalid_settings_from_the_start_change_nothing() -> None:
    world = World(values={"mode": "Local", "local": {"keepReleases": 0}})
    assert world.settle() == "SettingsValid"
    assert world.condition("SettingsValid")["reason"] == "SettingsInvalid"
    assert world.outcome is not None
    assert (world.outcome.gateway, world.outcome.node_route) == ({}, {})


def test_stage_older_than_its_limit_is_stalled_and_says_what_it_waits_for() -> None:
    world = World(broken={"new.example.com": ("NotFound", "404")})
    world.apply()
    world.settle()
    since = world.condition("ImagesAvailable")["lastTransitionTime"]
    world.minute = 31
    world.step()
    condition = world.condition("ImagesAvailable")
    assert condition["reason"] == "Stalled"
    assert "ImagesMissing" in condition["message"]
    assert condition["lastTransitionTime"] == since


def test_joining_master_gets_into_endpoints_without_touching_the_platform() -> None:
    world = direct()
    world.nodes.append(Node("m3", True, address="198.51.100.13"))
    assert world.settle() == "Ready"
    assert world.outcome is not None
    assert "gateway 198.51.100.13:5001\n" in world.outcome.node_route["conf"]
    assert world.outcome.gateway["replicas"] == ["m1", "m2", "m3"]


def test_canary_of_masters_is_the_image_deckhouse_restarts_with() -> None:
    world = direct()
    assert world.outcome is not None
    conf = world.outcome.node_route["conf"]
    assert f"canary control-plane {names.VIRTUAL_BASE}@{DIGEST}\n" in conf
    assert "canary worker " + names.VIRTUAL_BASE + "@sha256:bbbb" in conf


def restarting(world: World) -> str:
    """The message while the leader does not become Ready with the new registry, long after it should have."""
    world.leader_ready = False
    assert world.settle() == "PlatformSwitched"
    world.minute += 31
    world.step()
    condition = world.condition("PlatformSwitched")
    assert condition["reason"] == "Stalled"
    assert "(DeckhouseRestarting)" in condition["message"]
    assert world.status()["message"] == condition["message"]
    return str(condition["message"])


def test_leader_that_does_not_become_ready_says_where_to_look_and_how_to_return() -> None:
    world = World()
    world.apply()
    message = restarting(world)
    assert "kubectl -n d8-system describe pod -l app=deckhouse" in message
    assert "registry-route show" in message
    assert message.endswith(
        "To return to old.example.com/deckhouse/ee while Deckhouse is down: registry-plan rollback."
    )


def test_leader_that_does_not_become_ready_on_the_way_back_is_not_sent_there_again() -> None:
    world = direct()
    world.values = dict(UNMANAGED)
    message = restarting(world)
    assert "describe pod" in message
    assert "rollback" not in message


@pytest.mark.parametrize("back", [False, True])
def test_beside_the_embedded_module_nothing_of_anybody_is_touched(back: bool) -> None:
    world = direct() if back else World()
    world.embedded = ("Secret d8-system/registry-config",)
    if not back:
        world.apply()
    before = world.registry
    world.settle()
    condition = world.condition("RuntimeSupported")
    assert condition["reason"] == "EmbeddedModulePresent"
    assert "Secret d8-system/registry-config" in condition["message"]
    assert world.outcome is not None
    assert world.outcome.platform_patch is None
    assert world.registry == before
    if not back:
        assert (world.outcome.gateway, world.outcome.node_route) == ({}, {})
