"""Kubernetes objects as hooks see them."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.unit.world import DIGEST, OLD


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def ready(status: str = "True") -> list[dict[str, str]]:
    return [
        {"type": "MemoryPressure", "status": "False"},
        {"type": "Ready", "status": status, "lastHeartbeatTime": "x"},
    ]


def node(name: str, *, master: bool = False, version: str = "", report: Any = None, **status: Any) -> dict[str, Any]:
    annotations = {"other": "x"}
    if version:
        annotations["registry.deckhouse.io/route-version"] = version
    if report is not None:
        annotations["registry.deckhouse.io/route-report"] = json.dumps(report)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"node-role.kubernetes.io/control-plane": ""} if master else {},
            "annotations": annotations,
        },
        "status": {
            "nodeInfo": {"containerRuntimeVersion": "containerd://1.7.27"},
            "addresses": [
                {"type": "Hostname", "address": name},
                {"type": "InternalIP", "address": "198.51.100.11"},
                {"type": "InternalIP", "address": "2001:db8::1"},
            ],
            "conditions": ready(),
            **status,
        },
    }


def platform_secret() -> dict[str, Any]:
    return {
        "metadata": {"name": "deckhouse-registry", "namespace": "d8-system"},
        "data": {
            "address": encode(OLD.address),
            "path": encode(OLD.path),
            "scheme": encode(OLD.scheme),
            ".dockerconfigjson": encode(OLD.dockerconfig),
            "clusterIsBootstrapped": encode("true"),
        },
    }


def pod(name: str, image: str = "x", *, status: str = "True", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "d8-system", **metadata},
        "spec": {"nodeName": "m1", "containers": [{"name": "c", "image": image}]},
        "status": {"conditions": ready(status)},
    }


def deployment() -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "deckhouse", "namespace": "d8-system"},
        "spec": {"template": {"spec": {"containers": [{"name": "deckhouse", "image": f"{OLD.base}@{DIGEST}"}]}}},
    }
