"""A cluster in miniature: it does what the switch asks for, step by step, and gives the facts back."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lib.registry_module import (
    facts,
    names,
    node_facts,
    pod_facts,
    proof_facts,
    replica_facts,
    settings,
    status,
    switch,
)
from lib.registry_module.context import Context, Inputs
from lib.registry_module.node_rank import rank
from lib.registry_module.platform_secret import PlatformRegistry, docker_config
from lib.registry_module.state import State, restore
from lib.registry_module.trial import FORMAT
from tests.unit.world_node import Node

DIGEST = "sha256:" + "a" * 64
PAUSE = "sha256:" + "b" * 64
OLD = PlatformRegistry("old.example.com", "/deckhouse/ee", "https", "", docker_config("old.example.com", "u", "p"))
DIRECT = {
    "mode": "Direct",
    "direct": {"host": "new.example.com", "path": "/deckhouse/ee", "user": "user", "password": "password-1"},
}
UNMANAGED = {"mode": "Unmanaged"}
START = dt.datetime(2026, 11, 24)
PROXY = {"mode": "Proxy", "proxy": DIRECT["direct"]}
LOCAL = {"mode": "Local", "local": {"keepReleases": 2}}
STORE = "store"
"""In `broken`: the gateways' own stores."""
BUNDLE = "-----BEGIN CERTIFICATE-----\nQlVORExF\n-----END CERTIFICATE-----\n"
PKI = {"bundle": BUNDLE, "serving": {"crt": "CRT", "key": "KEY"}}


@dataclass
class World:
    """`step()` runs the switch once, then lets one part of the cluster follow; `settle()` until nothing moves."""

    values: dict[str, Any] = field(default_factory=lambda: dict(UNMANAGED))
    nodes: list[Node] = field(
        default_factory=lambda: [
            Node("m1", True, address="198.51.100.11"),
            Node("m2", True, address="198.51.100.12"),
            Node("w1"),
            Node("w2"),
        ]
    )
    registry: PlatformRegistry = OLD
    rendered: PlatformRegistry = OLD
    leader_ready: bool = True
    pods: tuple[str, ...] = ()
    embedded: tuple[str, ...] = ()
    proxy: dict[str, Any] = field(default_factory=dict)
    """Section `proxy` of the ClusterConfiguration."""
    state: State = field(default_factory=lambda: State(salt="00"))
    loaded: dict[str, str] = field(default_factory=dict)
    checked: str = ""
    filled: bool = False
    """The gateways' stores have had every image since they are a copy."""
    refused: dict[str, str] = field(default_factory=dict)
    """Host of a registry → Unauthorized or Forbidden, as the gateways' probes find it."""
    broken: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Host of a registry → (reason, message) of its image check."""
    store_errors: dict[str, str] = field(default_factory=dict)
    """Node → why its gateway cannot use its store."""
    proof: str = ""
    """Version of the pods that prove pulls by kubelets; "" without such pods."""
    unpulled: dict[str, str] = field(default_factory=dict)
    """Node → why its kubelet cannot pull."""
    stages: list[str] = field(default_factory=list)
    minute: int = 0
    outcome: switch.Outcome | None = None

    def facts(self) -> facts.Facts:
        return facts.parse(*self.raw_facts())

    def raw_facts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """`internal.facts` and `global`, as discovery hooks and the platform write them."""
        rows = [
            {
                "name": node.name,
                "runtime": node.runtime,
                "ready": node.ready,
                "controlPlane": node.control_plane,
                "address": node.address,
                "version": node.version,
                "report": node.report(),
            }
            for node in self.nodes
        ]
        reports, pods = self._replicas()
        return (
            {
                "nodes": node_facts.collect(rows),
                "platform": {
                    "registry": self.registry.to_dict(),
                    "leader": {"name": "deckhouse-1", "ready": self.leader_ready, "version": self._hash()},
                    "images": [{"name": "deckhouse", "image": self.rendered.base + "@" + DIGEST}],
                    "clientCA": "CLIENT",
                    "embedded": list(self.embedded),
                },
                "pods": pod_facts.collect(self.pods),
                "replicas": replica_facts.collect(reports, pods),
                "proofs": proof_facts.collect(self._proofs(), rows),
            },
            {
                "clusterConfiguration": {"clusterType": "Static", "proxy": self.proxy},
                "modulesImages": {
                    "digests": {"common": {"pause": PAUSE}},
                    "registry": {
                        "address": self.rendered.address,
                        "path": self.rendered.path,
                        "scheme": self.rendered.scheme,
                        "CA": self.rendered.ca,
                        "dockercfg": base64.b64encode(self.rendered.dockerconfig.encode()).decode(),
                        "hash": self._hash(),
                    },
                },
            },
        )

    def _proofs(self) -> list[dict[str, Any]]:
        return [
            {
                "node": node.name,
                "version": self.proof,
                "pulled": node.name not in self.unpulled,
                "reason": "ErrImagePull" if node.name in self.unpulled else None,
                "message": self.unpulled.get(node.name),
            }
            for node in self.nodes
            if self.proof and node.ready
        ]

    def _hash(self) -> str:
        return str(hash(json.dumps(self.rendered.to_dict())))

    def _replicas(self) -> tuple[list[Any], list[Any]]:
        config = self.outcome.gateway.get("config", {}) if self.outcome else {}
        check = config.get("check") or {}
        place = (check.get("upstream") or {}).get("host", STORE) if check else ""
        reason, message = self.broken.get(place, ("", ""))
        done = bool(check) and self.checked == check["version"]
        total = len(check.get("images", []))
        report = {
            "version": check.get("version", "") if done else "",
            "total": total,
            "checked": total,
            "present": 0 if reason else total,
            "complete": done,
            "errorCount": total if reason else 0,
            "errors": [{"image": "deckhouse/deckhouse", "reason": reason, "message": message}] if reason else [],
        }
        masters = [node.name for node in self.nodes if node.control_plane]
        reports = [
            {
                "node": name,
                "status": {
                    "configVersion": self.loaded.get(name, ""),
                    "check": report,
                    **({"store": {"error": self.store_errors[name]}} if name in self.store_errors else {}),
                    "refused": [{"host": host, "reason": reason} for host, reason in self.refused.items()],
                },
            }
            for name in masters
        ]
        pods = [{"name": f"gw-{name}", "node": name, "ready": name in self.loaded} for name in masters]
        return reports, pods

    def inputs(self) -> Inputs:
        return Inputs(
            verdict=settings.parse(self.values),
            facts=self.facts(),
            pki=PKI,
            gateway_users=(),
            pull_login=("ro", "ro-password-ro-password"),
            now=self.now,
        )

    @property
    def now(self) -> str:
        return (START + dt.timedelta(minutes=self.minute)).strftime(FORMAT)

    def step(self) -> switch.Outcome:
        """One run of the switch; effects: the platform's Secret, and nothing else at once."""
        inputs = self.inputs()
        self.outcome = switch.advance(inputs, self.state)
        self.state = restore(json.dumps(self.outcome.state.to_dict()))  # as through the Secret
        if self.outcome.platform_patch:
            data = {k: base64.b64decode(v).decode() for k, v in self.outcome.platform_patch["data"].items()}
            docker = data.pop(".dockerconfigjson")
            self.registry = PlatformRegistry(dockerconfig=docker, **data)
        if not self.stages or self.stages[-1] != self.state.stage:
            self.stages.append(self.state.stage)
        return self.outcome

    def followers(self) -> Iterator[str]:
        """Parts of the cluster that have something to follow, one at a time."""
        assert self.outcome is not None
        version = self.outcome.gateway.get("version", "")
        for node in self.nodes:
            if version and node.control_plane and node.ready and self.loaded.get(node.name) != version:
                self.loaded[node.name] = version
                yield f"gateway {node.name}"
        check = (self.outcome.gateway.get("config") or {}).get("check")
        if check and self.checked != check["version"]:
            self.checked = check["version"]
            yield "check"
        route = self.outcome.node_route
        wanted = None if not route or route["action"] == "remove" else route["version"]
        for node in self.nodes:
            if node.ready and route and node.version != wanted and self.may(node):
                node.version, node.asked = wanted, "\nreturn " in route["conf"]
                yield f"node {node.name}"
        if self.proof != (proof := str(self.outcome.proof.get("version", ""))):
            self.proof = proof
            yield "kubelets"
        if self.rendered != self.registry:
            self.rendered = self.registry
            self.pods = ("d8-app/app",) if self.rendered.is_virtual else ()
            yield "deckhouse"

    def may(self, node: Node) -> bool:
        """Whether the wave that the route has reached includes a node: what node/step.sh decides."""
        assert self.outcome is not None
        wave = self.outcome.node_route.get("wave")
        if wave is None or (wave["fresh"] and node.version is None):
            return True
        return node.name in wave["names"] or rank(node.name) < wave["share"]

    def settle(self) -> str:
        """Run until nothing follows any more; the stage it ends at."""
        for _ in range(200):
            if not self.settle_once():
                return self.state.stage
        raise AssertionError("does not settle")

    def settle_once(self) -> bool:
        """One run, and one part that follows; False when nothing moves any more."""
        self.step()
        if next(self.followers(), None) is not None:
            return True
        before = self.state
        self.step()
        return before != self.state

    def condition(self, name: str) -> dict[str, Any]:
        return next(c for c in self.state.conditions if c["type"] == name)

    def status(self) -> dict[str, Any]:
        assert self.outcome is not None
        return status.render(Context(self.inputs(), self.outcome.state), self.outcome)

    def apply(self, **section: Any) -> None:
        """Change fields of section `direct` and set mode Direct."""
        self.values = {"mode": names.DIRECT, "direct": {**DIRECT["direct"], **section}}  # type: ignore[dict-item] # a literal of mixed values

    def routes(self) -> list[dict[str, Any]]:
        """What the gateways are told to serve from, in order."""
        assert self.outcome is not None
        return list(self.outcome.gateway["config"]["routes"])

    def change(self, name: str, **fields: Any) -> None:
        self.nodes = [replace(node, **fields) if node.name == name else node for node in self.nodes]


def direct() -> World:
    """A cluster at rest in mode Direct."""
    world = World()
    world.apply()
    assert world.settle() == "Ready"
    return world
