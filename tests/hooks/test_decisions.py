"""Hooks of the module's run: certificates, users, the switch, its status."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from lib.registry_module import platform_secret
from tests.hooks.objects import encode
from tests.hooks.run import filtered, run
from tests.unit.world import DIRECT, PKI, World
from tests.unit.world import direct as direct_world

BEFORE = {"binding": "beforeHelm", "snapshots": {"pki": [], "users": [], "state": []}}


def direct(**internal: Any) -> dict[str, Any]:
    return {**DIRECT, "internal": {"facts": {}, **internal}}


def test_unmanaged_issues_nothing() -> None:
    assert "pki" not in run("issue_certificates", {"mode": "Unmanaged"}, BEFORE).internal
    assert "users" not in run("keep_users", {"mode": "Unmanaged"}, BEFORE).internal


def test_certificate_follows_the_masters() -> None:
    facts = {"nodes": {"controlPlane": [{"name": "m1", "address": "198.51.100.11", "ready": True}]}}
    first = run("issue_certificates", direct(facts=facts), BEFORE)
    again = run("issue_certificates", first.values["registry"], BEFORE)
    assert again.internal["pki"] == first.internal["pki"]
    facts["nodes"]["controlPlane"].append({"name": "m2", "address": "198.51.100.12", "ready": True})
    joined = run(
        "issue_certificates", {**first.values["registry"], "internal": {**first.internal, "facts": facts}}, BEFORE
    )
    assert joined.internal["pki"]["ca"] == first.internal["pki"]["ca"]
    assert joined.internal["pki"]["serving"] != first.internal["pki"]["serving"]


def test_certificates_survive_a_restart_through_the_secret() -> None:
    pki = run("issue_certificates", direct(), BEFORE).internal["pki"]
    data = {f"{n}.{p}": encode(pki[n][p]) for n in ("ca", "serving") for p in ("crt", "key")}
    restored = run("issue_certificates", direct(), {**BEFORE, "snapshots": {"pki": [{"filterResult": data}]}})
    assert restored.internal["pki"] == pki


@pytest.mark.parametrize("seen", ["state", "address"])
def test_lost_certificates_are_issued_again_as_long_as_gateways_are_needed(seen: str) -> None:
    stored = {"state": [{"filterResult": "registry-state"}]} if seen == "state" else {}
    registry = {"address": "registry.d8-system.svc:5001", "path": "/system/deckhouse"} if seen == "address" else {}
    unmanaged = {"mode": "Unmanaged", "internal": {"facts": {"platform": {"registry": registry}}}}
    issued = run("issue_certificates", unmanaged, {**BEFORE, "snapshots": stored}).internal["pki"]
    assert issued["serving"]["crt"].startswith("-----BEGIN CERTIFICATE-----")


def test_users_survive_a_restart_through_their_secrets() -> None:
    users = run("keep_users", direct(), BEFORE).internal["users"]
    stored = [{"filterResult": {k: encode(v) for k, v in user.items()}} for user in users.values()]
    assert run("keep_users", direct(), {**BEFORE, "snapshots": {"users": stored}}).internal["users"] == users


def test_password_of_a_deleted_secret_is_replaced_and_the_old_one_is_remembered_in_the_new_secret() -> None:
    made = run("keep_users", direct(), BEFORE).internal["users"]
    left = {"data": {"name": encode("rw"), "password": encode(made["rw"]["password"])}}
    managed = direct(users=made, gateway={"version": "v"})
    snapshots = {"users": filtered("keep_users", "users", left)}
    later = run("keep_users", managed, {**BEFORE, "snapshots": snapshots}).internal["users"]
    assert later["rw"] == made["rw"]
    assert later["ro"]["password"] != made["ro"]["password"]
    secrets = [
        {"data": {**{k: encode(user[k]) for k in ("name", "password")}, **previous(user)}} for user in later.values()
    ]
    snapshots = {"users": filtered("keep_users", "users", *secrets)}
    assert run("keep_users", direct(), {**BEFORE, "snapshots": snapshots}).internal["users"] == later


def previous(user: dict[str, Any]) -> dict[str, str]:
    """Keys of the Secret for the password before, as the template writes them."""
    return {f"previous.{key}": encode(value) for key, value in user.get("previous", {}).items()}


@pytest.mark.parametrize("item", [{"name": None, "password": None}, {"name": "%%", "password": "%%"}, {}])
def test_broken_user_secret_is_replaced(item: dict[str, Any]) -> None:
    users = run("keep_users", direct(), {**BEFORE, "snapshots": {"users": [{"filterResult": item}]}}).internal["users"]
    assert len(users["ro"]["password"]) == 32


@pytest.mark.parametrize(
    "section",
    [
        {"ca": "-----BEGIN CERTIFICATE-----"},
        {"path": "/a/../b"},
        {"host": "h:0"},
        {"host": "h:99999"},
        {"host": "user:password@h"},
        {"user": "a\x07"},
        {"password": ""},
        {"failover": {"host": "m"}},
        {"failover": [None]},
        {"failover": [{"host": "m", "ca": "x"}]},
        {"failover": [{"host": "new.example.com"}]},
        {"tokenRealms": ["https://auth.example.com"]},
    ],
)
def test_wrong_settings_never_raise_and_are_named_in_the_condition(section: dict[str, Any]) -> None:
    values = {"mode": "Direct", "direct": {**DIRECT["direct"], **section}}  # type: ignore[dict-item] # a literal of mixed values
    result = run("switch_mode", values, BEFORE)
    condition = result.internal["status"]["conditions"][0]
    assert (condition["type"], condition["status"]) == ("SettingsValid", "False")
    assert "direct." in condition["message"]
    assert result.internal["gateway"] == {}


def world_values(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values as the operator would have them for a miniature cluster, with raw facts."""
    facts, global_values = world.raw_facts()
    return {**world.values, "internal": {"facts": facts, "pki": PKI}}, global_values


def test_switch_patches_five_keys_of_the_platform_secret_and_nothing_else() -> None:
    world = World()
    world.apply()
    for _ in range(40):
        values, global_values = world_values(world)
        values["internal"]["state"] = world.state.to_dict()
        result = run("switch_mode", values, BEFORE, global_values)
        if result.operations:
            break
        world.step()
        next(world.followers(), None)
    (operation,) = result.operations
    assert (operation["operation"], operation["kind"], operation["name"]) == (
        "MergePatch",
        "Secret",
        "deckhouse-registry",
    )
    assert set(operation["mergePatch"]) == {"data"}
    assert set(operation["mergePatch"]["data"]) == set(platform_secret.KEYS)
    assert base64.b64decode(operation["mergePatch"]["data"]["address"]) == b"registry.d8-system.svc:5001"


def test_switch_restores_its_state_from_the_secret_after_a_restart() -> None:
    world = World()
    world.apply()
    world.settle()
    values, global_values = world_values(world)
    text = encode(json.dumps(world.state.to_dict()))
    context = {**BEFORE, "snapshots": {"state": [{"filterResult": text}]}}
    result = run("switch_mode", values, context, global_values)
    assert result.internal["state"] == world.state.to_dict()
    assert result.internal["gateway"]["version"] == world.outcome.gateway["version"]  # type: ignore[union-attr] # settled
    assert result.operations == []


@pytest.mark.parametrize("mode", ["Direct", "Unmanaged"])
def test_beside_the_embedded_module_nothing_is_asked_of_anybody(mode: str) -> None:
    world = World(embedded=("Secret d8-system/registry-state", "Service d8-system/registry"))
    world.apply()
    values, global_values = world_values(world)
    values["mode"] = mode
    result = run("switch_mode", values, BEFORE, global_values)
    assert result.operations == []
    assert (result.internal["gateway"], result.internal["nodeRoute"]) == ({}, {})
    state = result.internal["state"]
    assert (state["gateway"], state["nodes"]) == (False, "")  # so there is no Secret of it either


def test_history_survives_a_restart_in_unmanaged_through_what_was_told() -> None:
    world = direct_world()
    world.values = {"mode": "Unmanaged"}
    assert world.settle() == "Ready"
    values, global_values = world_values(world)
    registry = {"metadata": {"name": "main"}, "status": world.status()}
    snapshots = {"state": [], "main": filtered("switch_mode", "main", registry)}
    result = run("switch_mode", values, {**BEFORE, "snapshots": snapshots}, global_values)
    assert result.internal["status"]["history"] == world.status()["history"]
    assert len(result.internal["status"]["history"]) == 2


@pytest.mark.parametrize("told", [{}, 5, [None, 5, {}, {"started": "x", "stages": []}, {"started": 5, "stages": 5}]])
def test_odd_history_of_the_status_is_left_out(told: Any) -> None:
    snapshots = {"main": [{"filterResult": told}]}
    result = run("switch_mode", {"mode": "Unmanaged"}, {**BEFORE, "snapshots": snapshots})
    assert result.internal["status"]["history"] == []


def test_failovers_and_the_cluster_s_proxy_reach_the_gateways_configuration() -> None:
    world = World(proxy={"httpProxy": "http://u:p@proxy.example.com:3128", "httpsProxy": None, "noProxy": ["corp"]})
    world.apply(failover=[{"host": "mirror.example.com", "license": "KEY"}], tokenRealms=["auth.example.com"])
    world.settle()
    values, global_values = world_values(world)
    values["internal"]["state"] = world.state.to_dict()
    config = run("switch_mode", values, BEFORE, global_values).internal["gateway"]["config"]
    assert config["proxy"] == {"http": "http://u:p@proxy.example.com:3128", "except": ["corp"]}
    assert [(r["host"], r["user"], r["realms"]) for r in config["routes"]] == [
        ("new.example.com", "user", ["auth.example.com"]),
        ("mirror.example.com", "license-token", ["auth.example.com"]),
    ]


@pytest.mark.parametrize(
    "cluster",
    [None, [], {"proxy": None}, {"proxy": "http://p"}, {"proxy": {"httpProxy": ["x"], "noProxy": {"a": 1}}}],
)
def test_odd_configuration_of_the_cluster_is_no_error(cluster: Any) -> None:
    world = World()
    world.apply()
    world.step()
    values, global_values = world_values(world)
    result = run("switch_mode", values, BEFORE, {**global_values, "clusterConfiguration": cluster})
    assert result.internal["gateway"]["config"]["proxy"] is None


def test_second_run_without_a_change_patches_nothing() -> None:
    first = run("switch_mode", {"mode": "Unmanaged"}, BEFORE)
    second = run("switch_mode", first.values["registry"], BEFORE)
    assert second.internal["state"] == first.internal["state"]


@pytest.mark.parametrize("global_values", [None, {}, {"modulesImages": None}, {"modulesImages": {"digests": None}}])
def test_empty_global_is_no_error(global_values: Any) -> None:
    result = run("switch_mode", dict(DIRECT), BEFORE, global_values)
    assert result.internal["status"]["conditions"][1]["reason"] == "FactsMissing"
