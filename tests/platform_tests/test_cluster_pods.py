"""The test platform's Kubernetes: pods, their networks and names, and how kubelets pull for them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.platform.cluster import Cluster
from tests.platform.cluster.image_archive import static_busybox
from tests.platform.cluster.waiting import wait_for
from tests.platform_tests.cluster_pods import NOTE, apply, in_pod, pod, reaches, resolve, start_pods, web_server
from tests.support.certs import issue, make_ca
from tests.support.distribution import Basic, distribution
from tests.support.images import build_image, push_image

pytestmark = [
    pytest.mark.root,
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="nodes are namespaces: needs root"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def pods(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return start_pods(cluster, tmp_path_factory.mktemp("images"))


@pytest.mark.usefixtures("pods")
def test_pods_mount_secrets_write_logs_and_run_commands(cluster: Cluster) -> None:
    for name in cluster.nodes:
        assert in_pod(cluster, name, "cat", "/note/text") == "hello"
        assert cluster.kubectl("logs", f"on-{name}", "--tail=1") == f"on-{name}\n"


def test_a_pod_reaches_pods_of_other_nodes_and_the_host_network(cluster: Cluster, pods: dict[str, str]) -> None:
    for target in (pods["w2"], pods["w3"], pods["m1"], pods["m2"]):
        assert "1 packets received" in in_pod(cluster, "w1", "ping", "-c1", "-W3", target)
    assert pods["m1"] == cluster.node("m1").address


@pytest.mark.usefixtures("pods")
def test_pods_on_either_network_reach_the_kubernetes_service(cluster: Cluster) -> None:
    for name in ("w1", "m1"):
        in_pod(cluster, name, "nc", "-w", "3", "10.232.0.1", "443")


@pytest.mark.usefixtures("pods")
def test_a_pod_resolves_a_headless_service_that_no_node_knows(cluster: Cluster) -> None:
    address = cluster.node("m1").address
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "registry", "namespace": "d8-system"}}
    service["spec"] = {"clusterIP": "None", "selector": {"app": "registry"}, "ports": [{"port": 5001}]}
    gateway = pod("m1", host_network=True, name="gateway", namespace="d8-system", labels={"app": "registry"})
    cluster.kubectl(
        "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": [service, gateway]})
    )
    name = "registry.d8-system.svc.cluster.local"
    wait_for(
        "the name resolves",
        lambda: address in in_pod(cluster, "w1", "nslookup", name, check=False),
        within=30,
        every=0.5,
    )
    assert "svc.cluster.local cluster.local" in in_pod(cluster, "w1", "cat", "/etc/resolv.conf")
    assert cluster.node("w1").run(["getent", "hosts", "registry.d8-system.svc"], check=False).returncode != 0


def test_nodes_and_pods_reach_an_outside_host_by_name(cluster: Cluster, pods: dict[str, str]) -> None:
    host = cluster.add_host("upstream", names=["registry.example.test"])
    host.start_daemon("web", web_server(5000))
    for name in ("m1", "w1"):
        node = cluster.node(name)
        found = wait_for("known", partial(resolve, node, "registry.example.test"), within=10)
        assert found.split()[0] == host.address
        wait_for("served", partial(reaches, cluster, name, host.address, 5000), within=10)
    in_pod(cluster, "w1", "nc", "-w", "3", host.address, "5000")


def test_kubelets_of_every_containerd_pull_with_a_pull_secret_through_hosts_toml(
    cluster: Cluster, tmp_path: Path
) -> None:
    host = cluster.add_host("private", names=["private.example.test"])
    ca = make_ca()
    tls, address = issue(ca, names=["private.example.test"], ips=[host.address]), f"{host.address}:5000"
    image = build_image(tmp_path / "image", layers=[{"bin/busybox": static_busybox()}])
    with distribution(
        tmp_path / "registry",
        tls=tls,
        auth=Basic({"reader": "secret"}),
        listen=address,
        wrapper=host.net_wrapper,
    ) as registry:
        push_image(
            image, address=address, repository="deckhouse/ee", tag="1", ca=ca.cert, user="reader", password="secret"
        )
        names = ["m1", "w1", "w2"]  # containerd with rewrite, Debian's, as released
        for name in names:
            folder = cluster.node(name).host_path("/etc/containerd/registry.d/private.example.test:5000")
            folder.mkdir()
            (folder / "ca.crt").write_text(ca.cert)
            (folder / "hosts.toml").write_text(
                'server = "https://private.example.test:5000"\n'
                '[host."https://private.example.test:5000"]\n  capabilities = ["pull", "resolve"]\n  ca = "ca.crt"\n'
            )
        login = base64.b64encode(b"reader:secret").decode()
        auths = json.dumps({"auths": {"private.example.test:5000": {"auth": login}}})
        secret: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}}
        secret |= {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": auths}}
        puller = [pod(name, host_network=False, name=f"pulls-on-{name}") for name in names]
        for each in puller:
            each["spec"]["imagePullSecrets"] = [{"name": "login"}]
            each["spec"]["containers"][0] |= {
                "image": f"private.example.test:5000/deckhouse/ee@{image.digest}",
                "imagePullPolicy": "Always",
            }
        apply(cluster, NOTE, secret, *puller)
        started = [f"pod/pulls-on-{name}" for name in names]
        cluster.kubectl("wait", "--for=condition=Ready", *started, "--timeout=60s", timeout=70)
        requests = registry.log.read_text()
    for name in names:
        assert cluster.node(name).address in requests
    cluster.kubectl("delete", *started)


@pytest.mark.usefixtures("pods")
def test_a_node_without_agents_is_not_ready_while_its_pods_run_on(cluster: Cluster) -> None:
    node = cluster.node("w3")
    cluster.stop_node("w3")
    assert "sleep 100000" in node.run(["ps", "-A", "-o", "args"]).stdout
    cluster.start_node("w3")
    wait_for("its pod is known again", partial(in_pod, cluster, "w3", "cat", "/note/text", check=False), within=30)


def test_a_node_whose_power_was_cut_comes_back_with_its_certificate_and_pods(
    cluster: Cluster, pods: dict[str, str]
) -> None:
    node = cluster.node("w2")
    before = node.host_path("/var/lib/kubelet/pki/kubelet-client-current.pem").readlink()
    cluster.stop_node("w2", power=True)
    assert not node.running
    cluster.start_node("w2")
    assert node.host_path("/var/lib/kubelet/pki/kubelet-client-current.pem").readlink() == before
    answer = wait_for("its pod is back", lambda: in_pod(cluster, "w2", "cat", "/note/text", check=False), within=60)
    assert answer == "hello"
