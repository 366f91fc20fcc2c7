"""Getting to a mode, and what is looked at there."""

from __future__ import annotations

import time
import tomllib
from typing import Any

from tests.demo import clients
from tests.e2e.waiting import wait
from tests.platform import replicas
from tests.platform.assembly import VIRTUAL, Platform
from tests.platform.cluster import Node
from tests.platform.settings import Settings, direct, local, proxy

HOSTS_TOML = "/etc/containerd/registry.d/registry.d8-system.svc:5001/hosts.toml"
UNMANAGED = {"mode": "Unmanaged"}
SWITCH_SECONDS = 300


def settings_for(platform: Platform, mode: str) -> Settings:
    """Settings with the sections of all modes, as an administrator leaves them: a switch is a change of one word.

    Direct is at the first registry (Basic), Proxy in front of the second (Bearer), Local filled from the first.
    """
    sections = direct(platform.upstream_a) | proxy(platform.upstream_b) | local(platform.upstream_a)
    return {**sections, "mode": mode}


def to(platform: Platform, mode: str) -> None:
    """A mode with the settings above; at once when it is there already."""
    platform.apply(settings_for(platform, mode))
    platform.wait_ready(mode)


def to_direct(platform: Platform) -> None:
    """Mode Direct at the first registry; at once when it is already."""
    platform.apply(direct(platform.upstream_a))
    platform.wait_ready("Direct")


def to_unmanaged(platform: Platform) -> None:
    """Mode Unmanaged; at once when it is already."""
    platform.apply(UNMANAGED)
    platform.wait_ready("Unmanaged")


def interrupted(platform: Platform, settings: Settings) -> list[str]:
    """Switch with the operator killed and started again once at every stage; returns at Ready with the stages seen."""
    seen: list[str] = []
    platform.apply(settings, wait=False)
    deadline = time.monotonic() + SWITCH_SECONDS
    while not seen or seen[-1] != "Ready":
        assert time.monotonic() < deadline, f"{settings['mode']}: {seen}\n{platform.status()}\n{platform.complaints()}"
        stage = platform.stage_now()
        if stage and stage not in seen:
            seen.append(stage)
            platform.operator.kill()
            platform.start_operator()
        time.sleep(0.02)
    platform.wait_ready(settings["mode"])
    return seen


def hosts_toml(node: Node) -> dict[str, Any]:
    """The node's route as containerd reads it; {} without one."""
    path = node.host_path(HOSTS_TOML)
    return tomllib.loads(path.read_text()) if path.exists() else {}


def endpoints(node: Node) -> list[str]:
    """Hosts that containerd asks, in order; `server` is the last."""
    document = hosts_toml(node)
    hosts = list(document.get("host", {}))
    return [*hosts, document["server"]] if "server" in document else hosts


def masters(platform: Platform) -> list[Node]:
    """The nodes of the control plane, those with a gateway."""
    return [node for node in platform.cluster.nodes.values() if node.spec.control_plane]


def touched(platform: Platform) -> list[str]:
    """What of nodes and platform has been changed by the module."""
    found = platform.cluster.kubectl("get", "nodegroupconfigurations", "-o", "name").split()
    if platform.deckhouse.registry() != platform.installed_from:
        found.append("Secret deckhouse-registry")
    return found + [node.name for node in platform.cluster.nodes.values() if hosts_toml(node)]


def wrong(platform: Platform, mode: str) -> list[str]:
    """What is not as it has to be when a switch to this mode is done."""
    if mode == "Unmanaged":
        return touched(platform) + [f"{name}: {left}" for name, left in clients.left_on_nodes(platform).items()]
    found = [] if platform.deckhouse.registry().base == VIRTUAL else ["Secret deckhouse-registry"]
    gateways = {f"https://{node.address}:5001" for node in masters(platform)}
    for node in platform.cluster.nodes.values():
        first = [f"https://{platform.upstream_a.host}"] if mode == "Direct" and node.spec.runtime == "rewrite" else []
        asked = endpoints(node)
        if asked[: len(first)] != first or set(asked[len(first) :]) != gateways:
            found.append(f"route of {node.name}: {asked}")
    if mode == "Local":
        found += [f"store of {node.name}" for node in masters(platform) if not complete(platform, node)]
    return found


def at_rest(platform: Platform, mode: str) -> None:
    """Wait until nothing is wrong: a node says that it is clean when only its own folder and units are left to go."""
    wait(lambda: not wrong(platform, mode), f"all nodes as in {mode}", 30, detail=lambda: str(wrong(platform, mode)))


def complete(platform: Platform, node: Node) -> bool:
    """Whether the store of a master has every image that the platform's pods are rendered with, down to the layers."""
    store = replicas.folder(node)
    there = {digest for repository, _, digest in replicas.held(store) if repository == VIRTUAL.partition("/")[2]}
    expected = {platform.images[name].digest for name in ("app", "pause", "deckhouse-v1.70.1")}
    expected |= {child for digest in expected for child in replicas.children(store, digest)}
    return expected <= there and not replicas.lacking(store)
