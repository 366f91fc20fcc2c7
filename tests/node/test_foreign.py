"""What others have configured of containerd's registries: told by name, and never touched."""

from __future__ import annotations

import json

import pytest

from tests.node.sandbox import HOST, VERSION, Sandbox, route_conf

SECTION = '[plugins."io.containerd.grpc.v1.cri".registry.mirrors."{host}"]\n  endpoint = ["https://x"]\n'
SHADOW = "registry.d/registry.d8-system.svc_5001_"


def told(node: Sandbox) -> list[str]:
    found: list[str] = node.report().get("foreign", [])
    return found


def test_a_node_without_configuration_of_others_says_nothing_of_any(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    assert "foreign" not in node.report()


def test_folders_and_files_of_others_are_named_and_stay_as_they_are(node: Sandbox) -> None:
    others = {
        "registry.d/_default/hosts.toml": "[host]\n",
        "registry.d/docker.io/hosts.toml": "[host]\n",
        "conf.d/mirrors.toml": SECTION.format(host="quay.io"),
        "conf2.d/v2.toml": "[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = '/x'\n",
        "conf.d/metrics.toml": "[metrics]\n",
    }
    for name, text in others.items():
        node.write(f"/etc/containerd/{name}", text)
    node.conf(route_conf())
    node.run("apply")
    node.run("tick")
    assert told(node) == ["registry.d/_default", "registry.d/docker.io", "conf.d/mirrors.toml", "conf2.d/v2.toml"]
    assert node.report()["error"] == ""
    assert node.annotation("route-version") == VERSION
    node.run("remove")
    assert node.tree("/etc/containerd") == others


def test_hosts_that_the_platform_wrote_are_not_of_others(node: Sandbox) -> None:
    node.write("/etc/containerd/registry.d/deckhouse_hosts_state.json", json.dumps(["docker.io"]))
    node.write("/etc/containerd/registry.d/docker.io/hosts.toml", "[host]\n")
    node.conf(route_conf())
    node.run("apply")
    assert told(node) == []


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        (f"{SHADOW}/hosts.toml", "[host]\n", SHADOW),
        ("conf.d/z.toml", SECTION.format(host=HOST), "conf.d/z.toml"),
        ("conf2.d/z.toml", SECTION.format(host=HOST), "conf2.d/z.toml"),
    ],
)
def test_what_takes_the_virtual_host_away_comes_first_and_is_a_problem(
    node: Sandbox, path: str, text: str, name: str
) -> None:
    node.write("/etc/containerd/registry.d/docker.io/hosts.toml", "[host]\n")
    file = node.write(f"/etc/containerd/{path}", text)
    node.conf(route_conf())
    node.run("apply")
    assert told(node) == [name, "registry.d/docker.io"]
    assert f"/etc/containerd/{name} co" in node.report()["error"]
    assert file.read_text() == text
    assert f"foreign    {name} registry.d/docker.io\n" in node.run("show")


def test_names_are_bounded_and_fit_for_json(node: Sandbox) -> None:
    odd = ['a"quote', "back\\slash", "n" * 200]
    for name in [*odd, *(f"host-{n:02d}" for n in range(20))]:
        node.write(f"/etc/containerd/registry.d/{name}/hosts.toml", "[host]\n")
    node.conf(route_conf())
    node.run("apply")
    found = told(node)
    assert len(found) == 10
    assert max(map(len, found)) <= 100
    assert {'registry.d/a"quote', "registry.d/back\\slash"} <= set(found)
