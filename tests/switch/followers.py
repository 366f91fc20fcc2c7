"""What a cluster without kubelets does on its own: nodes, gateways and Deckhouse follow the objects that Helm applied.

The objects are the real ones, in a real API server; only the hands that would act on them are short-cut.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from typing import Any

from lib.registry_module.node_rank import rank
from tests.operator.api_server import ApiServer
from tests.platform.operator.cluster import ApiError
from tests.unit.world import DIGEST, PAUSE

GROUP = "registry.deckhouse.io/v1alpha1"
VERSION = "registry.deckhouse.io/route-version"
REPORT = "registry.deckhouse.io/route-report"
_WAVE = re.compile(r"^if route_in_wave (\d+) (\S+) (.*); then$", re.MULTILINE)
_VERSION_LINE = re.compile(r"^version ([0-9a-f]{16})$", re.MULTILINE)


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decode(data: dict[str, Any], key: str) -> str:
    return base64.b64decode(data.get(key) or "").decode()


class Followers:
    """Call `start`; it looks at the cluster several times a second until `stop`."""

    def __init__(self, api: ApiServer, nodes: dict[str, str], publish: Callable[[dict[str, Any]], None]) -> None:
        """`nodes`: name → address of control-plane nodes, "" for workers. `publish` gets new global values."""
        self.api, self.nodes, self.publish = api, nodes, publish
        self._seen: dict[str, Any] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.errors: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            try:
                self.step()
            except (ApiError, OSError) as error:
                if getattr(error, "status", 0) not in (404, 409):
                    self.errors.append(str(error))

    def step(self) -> None:
        """Everything that can follow now, follows."""
        self._follow_nodes()
        self._follow_proof()
        self._follow_gateways()
        self.follow_deckhouse()

    def _follow_nodes(self) -> None:
        found = self.api.get("deckhouse.io/v1alpha1", "NodeGroupConfiguration", "", "registry-route.sh")
        if found is None:
            return
        content = found["spec"]["content"]
        version = _VERSION_LINE.search(content)
        applied = version[1] if version and "\naction apply\n" in content else None
        proofs = ["canary"] + (["return"] if "\nreturn " in content else [])
        report = json.dumps({proof: {"ok": True, "error": ""} for proof in proofs}) if applied else None
        wave = _WAVE.search(content)
        for name in self.nodes:
            if wave is None or self._may(name, int(wave[1]), wave[2] == "fresh", wave[3].split()):
                self._annotate("Node", "", name, {VERSION: applied, REPORT: report})

    def _may(self, name: str, share: int, fresh: bool, names: list[str]) -> bool:
        """As node/step.sh decides it."""
        has_route = bool((self._seen.get(f"Node//{name}") or {}).get(VERSION))
        return name in names or rank(name) < share or (fresh and not has_route)

    def _annotate(self, kind: str, namespace: str, name: str, annotations: dict[str, str | None]) -> None:
        key = f"{kind}/{namespace}/{name}"
        if self._seen.get(key) != annotations:
            metadata: dict[str, Any] = {"name": name, "annotations": annotations}
            if namespace:
                metadata["namespace"] = namespace
            self.api.merge({"apiVersion": "v1", "kind": kind, "metadata": metadata})
            self._seen[key] = annotations

    def _follow_proof(self) -> None:
        """A pod of the proof on every node, as long as its DaemonSet is there."""
        found = self.api.get("apps/v1", "DaemonSet", "d8-system", "registry-proof")
        labels = found["spec"]["template"]["metadata"]["labels"] if found else {}
        for node in self.nodes:
            name = f"registry-proof-{node}"
            there = self.api.get("v1", "Pod", "d8-system", name)
            if there is not None and there["metadata"]["labels"] != labels:
                self.api.delete("v1", "Pod", "d8-system", name)
            elif there is None and labels:
                make_pod(self.api, name, labels, node=node, image="pause")

    def _follow_gateways(self) -> None:
        wanted = self.api.get("apps/v1", "DaemonSet", "d8-system", "registry-gateway") is not None
        secret = self.api.get("v1", "Secret", "d8-system", "registry-gateway-config")
        for name, address in self.nodes.items():
            if address:
                self._gateway_pod(name, wanted)
                if wanted and secret is not None:
                    self._report(name, json.loads(decode(secret["data"], "config.json")))

    def _gateway_pod(self, node: str, wanted: bool) -> None:
        name = f"registry-gateway-{node}"
        there = self.api.get("v1", "Pod", "d8-system", name)
        if wanted and there is None:
            make_pod(self.api, name, {"app": "registry-gateway"}, node=node, image="gateway")
        elif not wanted and there is not None:
            self.api.delete("v1", "Pod", "d8-system", name)

    def _report(self, node: str, config: dict[str, Any]) -> None:
        check = config.get("check") or {}
        total = len(check.get("images", []))
        status: dict[str, Any] = {"configVersion": config["version"], "configError": ""}
        status["check"] = {"version": check.get("version", ""), "complete": True, "errorCount": 0, "errors": []}
        status["check"] |= {"total": total, "checked": total, "present": total}
        there = self.api.get(GROUP, "RegistryReplica", "", node)
        if there is not None and there.get("status") != status:
            patch_status(self.api, GROUP, "RegistryReplica", "", node, status)

    def follow_deckhouse(self) -> None:
        """The Secret changes → the leader restarts with it, and all manifests are rendered from it."""
        secret = self.api.get("v1", "Secret", "d8-system", "deckhouse-registry")
        if secret is None or self._seen.get("registry") == secret["data"]:
            return
        registry = {key: decode(secret["data"], key) for key in ("address", "path", "scheme")}
        registry["CA"] = decode(secret["data"], "ca")
        registry["dockercfg"] = secret["data"][".dockerconfigjson"]
        registry["base"] = registry["address"] + registry["path"]
        registry["hash"] = hashlib.sha256(json.dumps(registry, sort_keys=True).encode()).hexdigest()
        self._annotate("Pod", "d8-system", "deckhouse-0", {"checksum/registry-version": registry["hash"]})
        digests = {"common": {"pause": PAUSE}, "registry": {"gateway": DIGEST}}
        self.publish({"enabledModules": ["registry"], "modulesImages": {"registry": registry, "digests": digests}})
        self._seen["registry"] = secret["data"]


def make_pod(api: ApiServer, name: str, labels: dict[str, str], *, node: str, image: str) -> None:
    """A pod that is Ready at once, although no kubelet runs it."""
    api.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "d8-system", "labels": labels},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "c", "image": image}],
            },
        }
    )
    container = {"name": "c", "image": image, "imageID": image, "ready": True, "restartCount": 0}
    ready = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "phase": "Running",
        "containerStatuses": [container],
    }
    patch_status(api, "v1", "Pod", "d8-system", name, ready)


def patch_status(api: ApiServer, version: str, kind: str, namespace: str, name: str, status: dict[str, Any]) -> None:
    """Merge-patch the status subresource."""
    path = api.cluster.resource(version, kind).path(namespace, name, "status")
    api.cluster.call("PATCH", path, body={"status": status}, content_type="application/merge-patch+json")
