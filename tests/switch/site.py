"""One API server with nodes and Deckhouse's objects; operators come and go."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.operator.api_server import ApiServer
from tests.platform.operator import Operator
from tests.switch.followers import Followers, encode, make_pod, patch_status
from tests.unit.world import DIGEST, OLD

NODES = {"m1": "198.51.100.11", "m2": "198.51.100.12", "w1": "", "w2": "", "w3": ""}
INJECTED = {"base": "modules.example.com/modules", "dockercfg": encode('{"auths":{}}'), "scheme": "https"}
DIRECT = {"host": "new.example.com", "path": "/deckhouse/ee", "user": "user", "password": "s3cret-password-1"}


class Site:
    """The cluster of these tests and its present operator."""

    def __init__(self, api: ApiServer, module: Path, log: Path) -> None:
        self.api, self.module, self.log = api, module, log
        self.operator: Operator | None = None
        self.globals: dict[str, Any] = {}
        self.followers = Followers(api, NODES, self._publish)
        self.on_hook: Callable[[], None] = lambda: None

    def _publish(self, values: dict[str, Any]) -> None:
        self.globals = values
        if self.operator is not None:
            self.operator.set_global(values)

    def start_operator(self) -> Operator:
        """A new operator: a restart, when there was one."""
        self.operator = Operator(
            kubeconfig=self.api.kubeconfig,
            module_dir=self.module,
            injected=INJECTED,
            time_scale=0.05,
            log_path=self.log,
            on_hook_finished=lambda *_: self.on_hook(),
        )
        self.operator.set_global(self.globals)
        self.operator.start()
        return self.operator

    def apply(self, settings: dict[str, Any]) -> None:
        """As `kubectl apply` of the ModuleConfig."""
        spec = {"version": 1, "enabled": True, "settings": settings}
        api_version = "deckhouse.io/v1alpha1"
        config = {"apiVersion": api_version, "kind": "ModuleConfig", "metadata": {"name": "registry"}}
        path = self.api.cluster.resource(api_version, "ModuleConfig").path("", "registry")
        body = [{"op": "add", "path": "/spec", "value": spec}]
        if self.api.get(api_version, "ModuleConfig", "", "registry") is None:
            self.api.create({**config, "spec": spec})
        else:
            self.api.cluster.call("PATCH", path, body=body, content_type="application/json-patch+json")

    def status(self) -> dict[str, Any]:
        """Status of Registry/main; {} while there is none."""
        found = self.api.get("registry.deckhouse.io/v1alpha1", "Registry", "", "main")
        return dict((found or {}).get("status") or {})

    def wait_status(self, timeout: float = 180, **wanted: str) -> dict[str, Any]:
        """Wait until the status has these fields."""
        deadline = time.monotonic() + timeout
        while True:
            status = self.status()
            if all(status.get(key) == value for key, value in wanted.items()):
                return status
            if time.monotonic() > deadline:
                errors = self.operator.queue_errors() if self.operator else {}
                pytest.fail(f"no {wanted} within {timeout} s: {status}; {errors}; {self.followers.errors[-3:]}")
            time.sleep(0.05)


def node(name: str, address: str) -> dict[str, Any]:
    labels = {"node-role.kubernetes.io/control-plane": ""} if address else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def populate(api: ApiServer) -> None:
    """Nodes, and the objects that Deckhouse itself has."""
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d8-system"}})
    for name, address in NODES.items():
        api.create(node(name, address))
        status = {
            "nodeInfo": {**dict.fromkeys(INFO, ""), "containerRuntimeVersion": "containerd://2.1.5"},
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": address or "198.51.100.99"}],
        }
        patch_status(api, "v1", "Node", "", name, status)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "deckhouse-registry", "namespace": "d8-system"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {
            "address": encode(OLD.address),
            "path": encode(OLD.path),
            "scheme": encode(OLD.scheme),
            "ca": "",
            ".dockerconfigjson": encode(OLD.dockerconfig),
            "clusterIsBootstrapped": encode("true"),
        },
    }
    api.create(secret)
    template = {"containers": [{"name": "deckhouse", "image": f"{OLD.base}@{DIGEST}"}]}
    labels = {"matchLabels": {"app": "deckhouse"}}
    deployment = {"selector": labels, "template": {"metadata": {"labels": labels["matchLabels"]}, "spec": template}}
    metadata = {"name": "deckhouse", "namespace": "d8-system"}
    api.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment})
    make_pod(api, "deckhouse-0", {"app": "deckhouse", "leader": "true"}, node="m1", image="deckhouse")


INFO = (
    "architecture",
    "bootID",
    "kernelVersion",
    "kubeProxyVersion",
    "kubeletVersion",
    "machineID",
    "operatingSystem",
    "osImage",
    "systemUUID",
)
