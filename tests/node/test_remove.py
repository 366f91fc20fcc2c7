"""Going away: what was put on the node is taken off it, whoever was away meanwhile."""

from __future__ import annotations

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.node.sandbox import Sandbox, route_conf
from tests.operator.waiting import wait_for


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


def test_a_tick_where_the_route_has_been_taken_away_leaves_nothing(node: Sandbox) -> None:
    (node.folder / "node-name").rename(node.root / "elsewhere")
    for entry in (node.folder / "ca", node.folder):
        for file in entry.glob("*.crt"):
            file.unlink()
        entry.rmdir()
    node.run("tick")
    assert not node.folder.exists()
    assert node.annotation("route-report") is None


def waits_for(lock: Path) -> bool:
    """Whether somebody waits for a lock on this file."""
    number = f":{lock.stat().st_ino} "
    return any("->" in line and number in line for line in Path("/proc/locks").read_text().splitlines())


@pytest.mark.parametrize("command", ["tick", "apply", "remove"])
def test_a_run_that_waited_while_the_route_was_taken_away_leaves_nothing(node: Sandbox, command: str) -> None:
    node.conf(route_conf())
    lock, gone = node.folder / "lock", node.folder.with_name("gone")
    with lock.open("a") as held, ThreadPoolExecutor() as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = pool.submit(node.run, command)
        wait_for(lambda: waits_for(lock), what="the run at the lock")
        node.folder.rename(gone)
        fcntl.flock(held, fcntl.LOCK_UN)
        waiting.result()
    assert not node.folder.exists()
    assert not node.hosts.exists()
    assert node.annotation("route-report") is None
    assert not (gone / "state").exists()


def test_a_tick_that_cleans_up_lets_nobody_in_before_it_is_done(node: Sandbox) -> None:
    try_lock = 'flock --nonblock "$REGISTRY_ROUTE_ROOT/var/lib/registry-route/lock" true && echo free >>"$WORLD/calls"'
    node.write("/opt/deckhouse/bin/systemctl", f"#!/bin/bash\n{try_lock}\n", mode=0o755)
    node.conf(route_conf(action="remove"))
    node.run("tick")
    assert not node.folder.exists()
    assert not (node.world / "calls").exists() or "free" not in (node.world / "calls").read_text().splitlines()
