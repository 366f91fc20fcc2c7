"""Images, a private registry and Deckhouse on a real cluster: what works, and that a wrong switch really ends badly."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.platform.cluster import Cluster, NodeSpec, plan
from tests.platform.cluster.waiting import wait_for
from tests.platform.deckhouse import manifests, node_registry
from tests.platform.deckhouse.deckhouse import Deckhouse
from tests.platform.deckhouse.registry_data import RegistryData
from tests.platform.images.catalogue import RELEASES, Catalogue, Image, catalogue
from tests.platform.upstream.upstream import Upstream
from tools.oci import gateway_image

pytestmark = [
    pytest.mark.root,
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="nodes are namespaces"),
]

NODES = (
    NodeSpec("m1", control_plane=True, runtime="rewrite"),
    NodeSpec("w1", runtime="debian"),
    NodeSpec("w2", runtime="stock"),
)
HOST, ADDRESS = "registry-b.test", plan.address(202)


@dataclass
class Platform:
    cluster: Cluster
    upstream: Upstream
    deckhouse: Deckhouse
    images: Catalogue
    gateway: Image
    published: list[dict[str, Any]]

    def pods(self, namespace: str, app: str) -> list[dict[str, Any]]:
        return list(
            json.loads(self.cluster.kubectl("-n", namespace, "get", "pods", f"-lapp={app}", "-o", "json"))["items"]
        )

    def ready(self, namespace: str, app: str) -> dict[str, str]:
        """Node → image of every Ready pod."""
        return {
            pod["spec"]["nodeName"]: pod["spec"]["containers"][0]["image"]
            for pod in self.pods(namespace, app)
            if all(status["ready"] for status in pod["status"].get("containerStatuses", [{"ready": False}]))
        }

    def waiting(self, namespace: str, app: str) -> set[str]:
        """Why containers of these pods wait."""
        statuses = [
            status
            for pod in self.pods(namespace, app)
            for kind in ("initContainerStatuses", "containerStatuses")
            for status in pod["status"].get(kind, [])
        ]
        return {status["state"]["waiting"]["reason"] for status in statuses if "waiting" in status["state"]}

    def patch(self, **values: str) -> None:
        """Change keys of Secret deckhouse-registry."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        secret = ("-n", manifests.NAMESPACE, "patch", "secret", manifests.SECRET)
        self.cluster.kubectl(*secret, "--type=merge", "-p", json.dumps({"data": data}))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    images = catalogue()
    with Cluster(folder / "cluster", nodes=NODES) as cluster:
        cluster.name_servers.set_name(HOST, ADDRESS)
        with Upstream("b", folder, kind="bearer", host=HOST, address=ADDRESS, bridge=plan.BRIDGE) as upstream:
            upstream.push(images)
            layout, digest = gateway_image.build()
            gateway = Image("gateway", "registry", "gateway", digest)
            upstream.push_at(layout, [gateway], path="modules")
            registry = RegistryData.of_login(
                address=upstream.host,
                path=upstream.path,
                ca=upstream.ca,
                user=upstream.user,
                password=upstream.password,
            )
            for node in cluster.nodes.values():
                for path, content in node_registry.registry_d(registry).items():
                    node.run(["sh", "-c", 'mkdir -p "$(dirname "$1")"; cat > "$1"', "sh", path], input=content)
            published: list[dict[str, Any]] = []
            digests = {"app": {"app": images["app"].digest}, "common": {"pause": images["pause"].digest}}
            deckhouse = Deckhouse(cluster.api, registry, images=digests, release=RELEASES[0], publish=published.append)
            deckhouse.start()
            try:
                yield Platform(cluster, upstream, deckhouse, images, gateway, published)
            finally:
                deckhouse.stop()


def until(what: str, condition: Callable[[], bool], *, within: float = 90) -> None:
    wait_for(what, condition, within=within, every=0.5)


def test_deckhouse_leads_and_its_module_runs_on_every_node(platform: Platform) -> None:
    platform.deckhouse.wait_settled(90)
    base = platform.upstream.base
    assert platform.ready(manifests.NAMESPACE, "deckhouse") == {"m1": f"{base}:{RELEASES[0]}"}
    image = platform.images["app"].reference(base, by_digest=True)
    wanted = {spec.name: image for spec in NODES}
    until("the module on every node", lambda: platform.ready(manifests.MODULE_NAMESPACE, manifests.MODULE) == wanted)


def test_wrong_registry_ends_in_image_pull_backoff_and_is_repaired(platform: Platform) -> None:
    platform.deckhouse.wait_settled(90)
    before = len(platform.published)
    platform.patch(address="nowhere.test:5000")
    until("ImagePullBackOff", lambda: "ImagePullBackOff" in platform.waiting(manifests.NAMESPACE, "deckhouse"))
    assert (len(platform.published), platform.ready(manifests.NAMESPACE, "deckhouse")) == (before, {})
    platform.patch(address=platform.upstream.host)
    platform.deckhouse.wait_settled(90)
    assert list(platform.ready(manifests.NAMESPACE, "deckhouse")) == ["m1"]


def test_gateway_image_starts_as_a_pod_with_a_read_only_root(platform: Platform) -> None:
    platform.deckhouse.wait_settled(90)
    image = platform.gateway.reference(f"{platform.upstream.host}/modules", by_digest=True)
    container = {
        "name": "gateway",
        "image": image,
        "args": ["--help"],
        "securityContext": {"readOnlyRootFilesystem": True, "runAsNonRoot": True},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "gateway", "namespace": manifests.MODULE_NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "imagePullSecrets": [{"name": manifests.SECRET}],
            "containers": [container],
        },
    }
    platform.cluster.kubectl("apply", "-f", "-", input=json.dumps(pod))
    name = ("-n", manifests.MODULE_NAMESPACE, "pod/gateway")
    platform.cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", *name, "--timeout=60s", timeout=70)
    assert "serve" in platform.cluster.kubectl("logs", *name)


def test_client_image_reads_the_demo_image_from_inside_the_cluster(platform: Platform) -> None:
    platform.deckhouse.wait_settled(90)
    upstream, images = platform.upstream, platform.images
    demo = images["demo-v1"].reference(upstream.base)
    script = (
        'printf "%s" "$CA" > /tmp/ca.crt; skopeo inspect --raw --cert-dir /tmp --creds "$LOGIN" "docker://$IMAGE" '
        "| grep -o arm64"
    )
    variables = {"CA": upstream.ca, "LOGIN": upstream.login, "IMAGE": demo}
    container = {
        "name": "client",
        "image": images["client"].reference(upstream.base),
        "command": ["/bin/sh", "-c", script],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "client", "namespace": manifests.MODULE_NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "imagePullSecrets": [{"name": manifests.SECRET}],
            "containers": [container],
        },
    }
    platform.cluster.kubectl("apply", "-f", "-", input=json.dumps(pod))
    name = ("-n", manifests.MODULE_NAMESPACE, "pod/client")
    platform.cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", *name, "--timeout=60s", timeout=70)
    assert platform.cluster.kubectl("logs", *name).strip() == "arm64"
