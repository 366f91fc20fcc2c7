"""Going away: what was put on the node is taken off it, whoever was away meanwhile."""

from __future__ import annotations

from tests.node.sandbox import Sandbox, route_conf


def forget_annotations(node: Sandbox) -> None:
    assert node.annotation("route-version") is None
    assert node.annotation("route-report") is None


def test_remove_takes_hosts_annotations_and_state_away(node: Sandbox) -> None:
    foreign = node.write("/etc/containerd/registry.d/docker.io/hosts.toml", "[host]\n")
    node.conf(route_conf())
    node.run("apply")
    node.run("remove")
    assert list(node.tree("/etc/containerd")) == ["registry.d/docker.io/hosts.toml"]
    assert foreign.exists()
    assert not node.hosts.exists()
    forget_annotations(node)
    assert not (node.folder / "state").exists()


def test_apply_of_a_removal_is_the_same_and_may_run_twice(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    node.conf(route_conf(action="remove"))
    node.run("apply")
    forget_annotations(node)
    assert not node.hosts.exists()
    assert not (node.folder / "state").exists()
    node.run("apply")
    node.run("remove")
    assert not (node.folder / "state").exists()


def test_a_removal_without_the_api_server_keeps_its_state_and_the_timer_ends_it(node: Sandbox) -> None:
    node.write("/opt/deckhouse/bin/systemctl", '#!/bin/bash\necho "systemctl $*" >>"$WORLD/calls"\n', mode=0o755)
    for unit in ("service", "timer"):
        node.write(f"/etc/systemd/system/registry-route.{unit}", "")
    node.conf(route_conf())
    node.run("apply")
    node.switch("api-away", on=True)
    node.conf(route_conf(action="remove"))
    node.run("remove")
    assert not node.hosts.exists()
    assert (node.folder / "state").exists()
    node.run("tick")
    assert node.folder.exists()
    node.switch("api-away", on=False)
    node.run("tick")
    forget_annotations(node)
    assert not node.folder.exists()
    assert node.tree("/etc/systemd") == {}
    assert node.calls("systemctl") == ["disable --now registry-route.timer", "daemon-reload"]


def test_a_removal_leaves_a_directory_of_the_node_agent_alone(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    node.write("/etc/containerd/registry.d/.managed-by-agent", "")
    node.run("remove")
    assert (node.hosts / "hosts.toml").exists()
    forget_annotations(node)
