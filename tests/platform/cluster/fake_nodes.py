"""Nodes without a machine: Node objects that say what no containerd of ours would, kept Ready by their Leases."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping
from typing import Any

from kubernetes import client

from . import plan
from .site import Site

LEASES = "kube-node-lease"
RENEW = 5.0  # seconds; the controller manager gives up on a node after 20
TAINT = {"key": "registry-module.test/no-machine", "effect": "NoSchedule"}


class FakeNodes:
    """All of them, and the thread that renews their Leases."""

    def __init__(self, site: Site, api: Any) -> None:
        """`api` is an ApiClient with rights to everything."""
        self.site = site
        self._core, self._leases = client.CoreV1Api(api), client.CoordinationV1Api(api)
        self._names: list[str] = []
        self._lock, self._over = threading.Lock(), threading.Event()
        self._keeper: threading.Thread | None = None

    def add(self, name: str, *, runtime: str, labels: Mapping[str, str], schedulable: bool) -> None:
        """Make the Node, Ready, with `containerRuntimeVersion` `runtime`."""
        body = {
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **labels},
            },
            "spec": {"taints": [] if schedulable else [TAINT]},
        }
        with self._lock:
            address = plan.address(plan.FIRST_FAKE + len(self._names))
            self._names.append(name)
        # With its status from the first moment, as kubelets register: nobody sees a node without a runtime.
        self._core.create_node({**body, "status": _status(runtime, address)})
        self._renew(name)
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, name="fake nodes", daemon=True)
            self._keeper.start()

    def set_runtime(self, name: str, runtime: str) -> None:
        """Report another runtime."""
        self._core.patch_node_status(name, {"status": {"nodeInfo": {"containerRuntimeVersion": runtime}}})

    def set_ready(self, name: str, ready: bool) -> None:
        """Report Ready or not."""
        self._core.patch_node_status(name, {"status": {"conditions": [_condition(ready)]}})

    def remove(self, name: str) -> bool:
        """Delete the Node; False when it is none of ours."""
        with self._lock:
            if name not in self._names:
                return False
            self._names.remove(name)
        self._core.delete_node(name)
        return True

    def stop(self) -> None:
        """End the thread; the nodes become NotReady in time."""
        self._over.set()
        if self._keeper:
            self._keeper.join(timeout=10)

    def _keep(self) -> None:
        while not self._over.wait(RENEW):
            with self._lock:
                names = list(self._names)
            for name in names:
                try:
                    self._renew(name)
                except Exception as error:  # the API server may be away on purpose; the next round tries again
                    self.site.say(f"lease of {name} not renewed: {type(error).__name__}")

    def _renew(self, name: str) -> None:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": name, "leaseDurationSeconds": 20, "renewTime": now}
        try:
            self._leases.patch_namespaced_lease(name, LEASES, {"spec": spec})
        except client.ApiException as error:
            if error.status != 404:
                raise
            self._leases.create_namespaced_lease(LEASES, {"metadata": {"name": name}, "spec": spec})


def _condition(ready: bool) -> dict[str, str]:
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status, reason = ("True", "KubeletReady") if ready else ("False", "KubeletNotReady")
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    return {"type": "Ready", "status": status, "reason": reason, "message": "no machine behind this node", **times}


def _status(runtime: str, address: str) -> dict[str, Any]:
    unknown = ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "kubeletVersion", "kubeProxyVersion")
    return {
        "addresses": [{"type": "InternalIP", "address": address}],
        "capacity": {"cpu": "1", "memory": "1Gi", "pods": "10"},
        "allocatable": {"cpu": "1", "memory": "1Gi", "pods": "10"},
        "conditions": [_condition(True)],
        "nodeInfo": {
            **dict.fromkeys(unknown, "unknown"),
            "containerRuntimeVersion": runtime,
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }
