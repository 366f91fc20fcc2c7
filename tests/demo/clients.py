"""Who pulls in the demo: a pod on every node by its kubelet, and skopeo in a pod as an in-cluster client."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import yaml

from tests.demo.report import Row
from tests.platform.assembly import VIRTUAL, Platform
from tests.platform.cluster import ClusterError

NAMESPACE = "d8-app"  # the platform keeps a copy of the pull secret here
SECRET = "deckhouse-registry"
_numbers = itertools.count(1)


def pods_on_every_node(platform: Platform) -> list[Row]:
    """One pod a node, from the demo image at the virtual address; the kubelet pulls it anew."""
    image = platform.images["demo-v1"].reference(VIRTUAL)
    run = next(_numbers)
    rows = []
    for name, node in platform.cluster.nodes.items():
        node.run(["crictl", "--runtime-endpoint", "unix:///run/containerd/containerd.sock", "rmi", image], check=False)
        started = time.monotonic()
        result = _run_pod(platform, f"demo-{run}-{name}", name, image)
        size = _size(platform, image, name)
        rows.append(Row(f"kubelet of {name}", _way(platform, name), size, time.monotonic() - started, result))
        _kubectl(platform, "delete", "pod", f"demo-{run}-{name}", "--wait=false", "--grace-period=0", "--force")
    return rows


def _run_pod(platform: Platform, pod: str, node: str, image: str) -> str:
    """`ok` when it becomes Ready; else what the kubelet says."""
    spec = {
        "nodeName": node,
        "imagePullSecrets": [{"name": SECRET}],
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "demo", "image": image, "imagePullPolicy": "Always"}],
    }
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": NAMESPACE}, "spec": spec}
    _kubectl(platform, "apply", "-f", "-", input=yaml.safe_dump(manifest))
    try:
        _kubectl(platform, "wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=90s", timeout=100)
    except ClusterError:
        found = json.loads(_kubectl(platform, "get", "pod", pod, "-o", "json"))
        states = [status.get("state") for status in found["status"].get("containerStatuses", [])]
        return f"failed: {states}"
    return "ok"


def _kubectl(platform: Platform, *argv: str, **options: Any) -> str:
    return platform.cluster.kubectl("-n", NAMESPACE, *argv, **options)


def _way(platform: Platform, node: str) -> str:
    """How the node reaches the registry, as its own report says."""
    found = json.loads(platform.cluster.kubectl("get", "node", node, "-o", "json"))
    report = json.loads(found["metadata"]["annotations"].get("registry.deckhouse.io/route-report", "{}"))
    runtime = found["status"]["nodeInfo"]["containerRuntimeVersion"].removeprefix("containerd://")
    return f"containerd {runtime}, " + ("rewrite to the registry" if report.get("rewrite") else "gateway")


def _size(platform: Platform, image: str, node: str) -> int:
    found = json.loads(platform.cluster.kubectl("get", "node", node, "-o", "json"))
    known = [each["sizeBytes"] for each in found["status"].get("images", []) if image in each["names"]]
    return known[0] if known else content_bytes(platform)


def content_bytes(platform: Platform) -> int:
    """Bytes of the demo image's layers for one platform, from its manifests in the layout."""
    layout = platform.images.layout

    def blob(digest: str) -> Any:
        return json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())

    index = blob(platform.images["demo-v1"].digest)
    manifest = next(blob(each["digest"]) for each in index["manifests"] if each["platform"]["architecture"] == "amd64")
    return sum(int(layer["size"]) for layer in manifest["layers"])


def skopeo_in_cluster(platform: Platform) -> Row:
    """skopeo in a pod: resolves the Service by cluster DNS, trusts only the module's CA, logs in by the pull secret."""
    image = platform.images["demo-v1"].reference(VIRTUAL)
    pod = f"client-{next(_numbers)}"
    copy = f"skopeo copy --authfile /auth/.dockerconfigjson --src-cert-dir /trust docker://{image} dir:/data"
    spec = {
        "restartPolicy": "Never",
        "imagePullSecrets": [{"name": SECRET}],
        "containers": [
            {
                "name": "client",
                "image": platform.images["client"].reference(VIRTUAL),
                "command": ["/bin/busybox", "sh", "-c", f"export HOME=/data; {copy} && /bin/busybox du -sb /data"],
                "volumeMounts": [
                    {"name": "auth", "mountPath": "/auth"},
                    {"name": "trust", "mountPath": "/trust"},
                    {"name": "data", "mountPath": "/data"},
                ],
            }
        ],
        "volumes": [
            {"name": "auth", "secret": {"secretName": SECRET}},
            {"name": "trust", "configMap": {"name": "registry-ca"}},
            {"name": "data", "emptyDir": {}},
        ],
    }
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": NAMESPACE}, "spec": spec}
    trust = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "registry-ca", "namespace": NAMESPACE}}
    trust["data"] = {"ca.crt": platform.deckhouse.registry().ca}
    _kubectl(platform, "apply", "-f", "-", input=yaml.safe_dump_all([trust, manifest]))
    started = time.monotonic()
    try:
        _kubectl(
            platform, "wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{pod}", "--timeout=120s", timeout=130
        )
        result = "ok"
    except ClusterError:
        result = "failed: " + _kubectl(platform, "logs", pod)[-300:]
    seconds = time.monotonic() - started
    _kubectl(platform, "delete", "pod", pod, "--wait=false", "--grace-period=0", "--force")
    return Row("skopeo in a pod", "Service registry, gateway", content_bytes(platform), seconds, result)


def left_on_nodes(platform: Platform) -> dict[str, list[str]]:
    """Node → files of the module that are still there."""
    places = [
        "/var/lib/registry-route",
        "/etc/containerd/registry.d/registry.d8-system.svc:5001",
        "/etc/containerd/conf.d/registry-route.toml",
        "/etc/systemd/system/registry-route.timer",
    ]
    left = {}
    for name, node in platform.cluster.nodes.items():
        found = node.run(["find", *places, "-maxdepth", "1", "!", "-type", "d"], check=False).stdout.split()
        if found:
            left[name] = found
    return left
