"""Pods that run on each node without any registry, and questions asked from inside them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from kubernetes import client

from tests.platform.cluster import Cluster, ClusterError, Node
from tests.platform.cluster.image_archive import static_busybox, write_image

BOX = "box.test/busybox:1"
NOTE = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "note"}, "stringData": {"text": "hello"}}


def start_pods(cluster: Cluster, folder: Path) -> dict[str, str]:
    """A pod `on-NODE` per node, on the host network on m1; returns name of the node → address of its pod."""
    archive, entrypoint = folder / "box.tar", ["/bin/busybox", "sleep", "100000"]
    write_image(archive, name=BOX, entrypoint=entrypoint, files={"bin/busybox": static_busybox()})
    for node in cluster.nodes.values():
        node.import_image(archive)
    apply(cluster, NOTE, *(pod(name, host_network=name == "m1") for name in cluster.nodes))
    cluster.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s", timeout=70)
    listed = client.CoreV1Api(cluster.api).list_namespaced_pod("default").items
    return {each.spec.node_name: each.status.pod_ip for each in listed}


def pod(
    node: str, *, host_network: bool, name: str = "", namespace: str = "default", labels: dict[str, str] | None = None
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "main",
        "image": BOX,
        "imagePullPolicy": "Never",
        "command": ["/bin/busybox", "sh", "-c", f"echo on-{node}; exec /bin/busybox sleep 100000"],
    }
    volumes: list[dict[str, Any]] = []
    if namespace == "default":
        container["volumeMounts"] = [{"name": "note", "mountPath": "/note"}]
        volumes = [{"name": "note", "secret": {"secretName": "note"}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name or f"on-{node}", "namespace": namespace, "labels": labels or {}},
        "spec": {
            "nodeName": node,
            "hostNetwork": host_network,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
            "volumes": volumes,
        },
    }


def in_pod(cluster: Cluster, node: str, *argv: str, check: bool = True) -> str:
    try:
        return cluster.kubectl("exec", f"on-{node}", "--", "/bin/busybox", *argv, timeout=20)
    except ClusterError:
        if check:
            raise
        return ""


def resolve(node: Node, name: str) -> str:
    return node.run(["getent", "hosts", name], check=False).stdout


def apply(cluster: Cluster, *objects: dict[str, Any]) -> None:
    cluster.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def reaches(cluster: Cluster, node: str, address: str, port: int) -> bool:
    command = ["timeout", "2", "bash", "-c", f"</dev/tcp/{address}/{port}"]
    return cluster.node(node).run(command, check=False).returncode == 0


def web_server(port: int) -> list[str]:
    return [sys.executable, "-m", "http.server", str(port), "--directory", "/tmp"]
