"""The chart for each kind of cluster: whole objects against golden files, schemas, and the linter's rules."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from lib.registry_module.state import State, restore
from tests.templates import kubernetes_schema
from tests.templates.render import ROOT, USERS, helm, render, values_of
from tests.unit.world import LOCAL, PROXY, UNMANAGED, World
from tools.review.readable import dump_all

GOLDEN = Path(__file__).parent / "golden"
EXTERNAL = {"VerticalPodAutoscaler"}  # the platform's CRD, not installed here


def unmanaged() -> World:
    world = World()
    world.settle()
    return world


def preparing() -> World:
    """The gateways check the new registry; no node is touched yet."""
    world = World(broken={"new.example.com": ("Unauthorized", "401")})
    world.apply()
    world.settle()
    return world


def direct(masters: int = 2) -> World:
    world = World()
    world.nodes = [node for node in world.nodes if masters == 2 or node.name != "m2"]
    world.apply()
    world.settle()
    return world


def stored(values: dict[str, Any]) -> World:
    """Gateways with a store, on two masters."""
    world = World(values=dict(values))
    world.settle()
    return world


def proving() -> World:
    """The kubelet of one node cannot pull with the new login."""
    world = World(unpulled={"w2": "401 Unauthorized"})
    world.apply()
    world.settle()
    return world


def removing() -> World:
    """Back to Unmanaged while a node is away: its clean-up stays ordered."""
    world = direct()
    world.change("w2", ready=False)
    world.values = dict(UNMANAGED)
    world.settle()
    return world


CLUSTERS = {
    "unmanaged": unmanaged,
    "direct-checking": preparing,
    "direct-proving": proving,
    "direct-single": lambda: direct(1),
    "direct-ha": direct,
    "proxy-ha": lambda: stored(PROXY),
    "local-ha": lambda: stored(LOCAL),
    "unmanaged-cleaning": removing,
}


@pytest.fixture(scope="module", params=sorted(CLUSTERS))
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, list[dict[str, Any]]]:
    world = CLUSTERS[request.param]()
    return request.param, render(values_of(world), tmp_path_factory.mktemp("values"))


def readable(objects: list[dict[str, Any]]) -> str:
    """YAML with the script left out of the node configuration: it stands, and is tested, in node/."""
    shown = json.loads(json.dumps(objects))
    for item in shown:
        if item["kind"] == "NodeGroupConfiguration":
            content = item["spec"]["content"]
            for path in sorted((ROOT / "node").rglob("*")):
                if path.is_file():
                    content = content.replace(
                        path.read_text().rstrip("\n"), f"# node/{path.relative_to(ROOT / 'node')}"
                    )
            item["spec"]["content"] = content
    return dump_all(shown, sort_keys=True)


def test_rendered_objects_equal_the_golden_file(cluster: tuple[str, list[dict[str, Any]]]) -> None:
    name, objects = cluster
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(readable(objects))
    assert readable(objects) == path.read_text()


def test_every_object_is_valid_for_kubernetes(cluster: tuple[str, list[dict[str, Any]]]) -> None:
    for item in cluster[1]:
        if item["kind"] not in EXTERNAL:
            assert kubernetes_schema.problems(item) == [], item["metadata"]["name"]


def test_every_object_carries_the_platforms_labels(cluster: tuple[str, list[dict[str, Any]]]) -> None:
    for item in cluster[1]:
        labels = item["metadata"]["labels"]
        assert (labels["module"], labels["heritage"]) == ("registry", "deckhouse"), item["metadata"]["name"]


def test_secrets_stand_in_secrets_only(cluster: tuple[str, list[dict[str, Any]]]) -> None:
    secrets = ["password-1", "SERVING-KEY", "CA-KEY", *(user["password"] for user in USERS.values())]
    for item in cluster[1]:
        if item["kind"] != "Secret":
            text = json.dumps(item)
            for secret in secrets:
                assert secret not in text, item["metadata"]["name"]
                assert base64.b64encode(secret.encode()).decode() not in text, item["metadata"]["name"]


def test_passwords_of_failover_and_proxy_stand_in_the_secrets_that_need_them(tmp_path: Path) -> None:
    world = World(proxy={"httpsProxy": "http://user:password-of-proxy@proxy.example.com", "noProxy": [".corp"]})
    world.apply(failover=[{"host": "mirror.example.com", "user": "user", "password": "password-of-mirror"}])
    world.settle()
    found: dict[str, set[str]] = {}
    for item in render(values_of(world), tmp_path):
        kept = (item.get("data") or {}) if item["kind"] == "Secret" else {}
        text = json.dumps(item) + "".join(base64.b64decode(value).decode() for value in kept.values())
        for word in ("password-of-proxy", "password-of-mirror"):
            if word in text:
                found.setdefault(word, set()).add(f"{item['kind']} {item['metadata']['name']}")
    assert found == {
        "password-of-proxy": {"Secret registry-gateway-config"},
        "password-of-mirror": {"Secret registry-gateway-config", "Secret registry-state"},
    }


def test_hash_of_the_password_before_stands_in_the_user_s_secret(tmp_path: Path) -> None:
    values = values_of(direct())
    previous = {"sha256": "a" * 64, "until": "2026-11-25T00:00:00Z"}
    values["registry"]["internal"]["users"] = {**USERS, "ro": {**USERS["ro"], "previous": previous}}
    found = {item["metadata"]["name"]: item for item in render(values, tmp_path)}
    data = {key: base64.b64decode(value).decode() for key, value in found["registry-user-ro"]["data"].items()}
    assert data == {**USERS["ro"], "previous.sha256": "a" * 64, "previous.until": "2026-11-25T00:00:00Z"}
    assert set(found["registry-user-rw"]["data"]) == {"name", "password"}


def test_gateway_image_comes_from_the_module_source_not_from_the_switch(tmp_path: Path) -> None:
    objects = render(values_of(direct()), tmp_path)
    (daemonset,) = (item for item in objects if item["kind"] == "DaemonSet")
    image = daemonset["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image.startswith("modules.example.com/modules/registry@sha256:")


def test_gateway_does_not_restart_when_only_its_configuration_changes(tmp_path: Path) -> None:
    def template(world: World) -> Any:
        (found,) = (item for item in render(values_of(world), tmp_path) if item["kind"] == "DaemonSet")
        return found["spec"]["template"]

    assert template(preparing()) == template(direct())


def test_missing_digest_is_a_clear_error(tmp_path: Path) -> None:
    values = values_of(direct())
    values["global"] = {"modulesImages": {"digests": {}}}
    finished = helm(values, tmp_path)
    assert finished.returncode != 0
    assert "global.modulesImages.digests.registry.gateway is missing" in finished.stderr


@pytest.mark.parametrize("global_values", [{}, None])
def test_unmanaged_renders_with_an_empty_global(global_values: Any, tmp_path: Path) -> None:
    values = values_of(unmanaged())
    values["global"] = global_values
    assert [item["kind"] for item in render(values, tmp_path)] == ["ClusterRole", "Registry"]


def test_foreign_objects_are_not_rendered_when_nothing_is_managed(tmp_path: Path) -> None:
    world = World(embedded=("Secret d8-system/registry-config",), state=State(salt="00"))
    world.apply()
    world.settle()
    assert [item["kind"] for item in render(values_of(world), tmp_path)] == ["ClusterRole", "Registry"]


def test_state_survives_the_secret(tmp_path: Path) -> None:
    world = direct()
    objects = render(values_of(world), tmp_path)
    (secret,) = (item for item in objects if item["metadata"]["name"] == "registry-state")
    kept = base64.b64decode(secret["data"]["state"]).decode()
    told = [{key: each[key] for key in ("type", "status", "lastTransitionTime")} for each in world.state.conditions]
    assert json.loads(kept) == world.state.to_dict() | {"conditions": told}
    before = world.state
    world.state = restore(kept)
    world.step()
    assert world.state == before, "the texts come back with the next evaluation, and times stay"
