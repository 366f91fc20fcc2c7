"""The test platform's Kubernetes: nodes as e2e tests rely on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from kubernetes import client

from tests.platform.cluster import Cluster, ClusterError, NodeSpec
from tests.platform.cluster.claim import WAIT_VARIABLE
from tests.platform.cluster.waiting import wait_for
from tests.platform_tests.cluster_pods import reaches, web_server

pytestmark = [
    pytest.mark.root,
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="nodes are namespaces: needs root"),
]

RUNTIMES = {"m1": "containerd://2.", "m2": "containerd://2.", "w1": "containerd://1.6", "w2": "containerd://2."}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def test_every_node_is_ready_with_its_runtime_role_and_taint(cluster: Cluster) -> None:
    nodes = {node.metadata.name: node for node in client.CoreV1Api(cluster.api).list_node().items}
    assert sorted(nodes) == ["m1", "m2", "w1", "w2", "w3"]
    for name, start in RUNTIMES.items():
        assert nodes[name].status.node_info.container_runtime_version.startswith(start)
    taints = {name: [taint.key for taint in node.spec.taints or []] for name, node in nodes.items()}
    role = "node-role.kubernetes.io/control-plane"
    assert taints == {"m1": [role], "m2": [role], "w1": [], "w2": [], "w3": []}
    assert sorted(name for name, node in nodes.items() if role in node.metadata.labels) == ["m1", "m2"]
    assert nodes["m1"].status.addresses[0].address == cluster.node("m1").address


def test_a_kubelet_has_a_client_certificate_of_the_published_authority(cluster: Cluster) -> None:
    published = client.CoreV1Api(cluster.api).read_namespaced_config_map(
        "extension-apiserver-authentication", "kube-system"
    )
    authority = x509.load_pem_x509_certificate(published.data["client-ca-file"].encode())
    pem = cluster.node("w1").run(["cat", "/var/lib/kubelet/pki/kubelet-client-current.pem"]).stdout
    assert "PRIVATE KEY" in pem
    certificate = x509.load_pem_x509_certificate(pem.encode())
    certificate.verify_directly_issued_by(authority)
    assert certificate.subject.rfc4514_string() == "CN=system:node:w1,O=system:nodes"


def test_a_node_may_annotate_itself_and_no_other_with_its_kubeconfig(cluster: Cluster) -> None:
    node = cluster.node("w2")
    annotate = ["kubectl", "--kubeconfig", "/etc/kubernetes/kubelet.conf", "annotate", "node"]
    node.run([*annotate, "w2", "registry.deckhouse.io/route-version=1"])
    refused = node.run([*annotate, "w1", "registry.deckhouse.io/route-version=1"], check=False)
    assert "forbidden" in refused.stderr
    annotations = client.CoreV1Api(cluster.api).read_node("w2").metadata.annotations
    assert annotations["registry.deckhouse.io/route-version"] == "1"


def test_each_node_has_files_and_programs_of_its_own(cluster: Cluster) -> None:
    one, other = cluster.node("w1"), cluster.node("w2")
    one.run(["sh", "-c", "echo only here > /etc/containerd/registry.d/note; echo there > /etc/note"])
    assert (one.host_path("/etc/containerd/registry.d/note")).read_text() == "only here\n"
    assert other.run(["cat", "/etc/containerd/registry.d/note"], check=False).returncode == 1
    assert not Path("/etc/note").exists()
    assert one.run(["hostname"]).stdout == "w1\n"
    assert " 1.6" in one.run(["containerd", "--version"]).stdout
    assert "/v2 2.1" in other.run(["containerd", "--version"]).stdout
    assert "sandbox.test/pause:1" in one.run(["crictl", "images"]).stdout


def test_a_command_that_takes_too_long_is_killed_with_its_children(cluster: Cluster) -> None:
    node = cluster.node("w1")
    with pytest.raises(ClusterError, match=r"w1: sh not done after 0\.5 s"):
        node.run(["sh", "-c", "sleep 4321 & sleep 4321"], timeout=0.5)
    assert node.run(["pgrep", "-f", "sleep 4321"], check=False).stdout == ""


def test_input_environment_and_exit_code_of_a_command_come_through(cluster: Cluster) -> None:
    node = cluster.node("w1")
    done = node.run(["sh", "-c", 'cat; echo "$WHAT"; exit 3'], input="in ", env={"WHAT": "env"}, check=False)
    assert (done.stdout, done.returncode) == ("in env\n", 3)
    with pytest.raises(ClusterError, match="exit code 3"):
        node.run(["sh", "-c", "exit 3"])


def test_a_blackholed_port_hangs_for_others_and_works_again_afterwards(cluster: Cluster) -> None:
    target = cluster.node("m2")
    target.start_daemon("listener", web_server(5001))
    wait_for("listens", lambda: reaches(cluster, "w1", target.address, 5001), within=10)
    cluster.blackhole("m2")
    assert not reaches(cluster, "w1", target.address, 5001)
    assert not reaches(cluster, "m1", target.address, 5001)
    assert reaches(cluster, "m2", target.address, 5001), "its own connections to itself go on"
    cluster.unblackhole("m2")
    assert reaches(cluster, "w1", target.address, 5001)
    target.stop_daemon("listener")


def test_a_foreign_address_is_blackholed_where_packets_leave(cluster: Cluster) -> None:
    cluster.blackhole("198.51.100.1", port=6443)
    assert not reaches(cluster, "w3", "198.51.100.1", 6443)
    cluster.unblackhole("198.51.100.1")
    assert reaches(cluster, "w3", "198.51.100.1", 6443)


def test_a_fake_node_is_ready_with_the_runtime_it_was_told(cluster: Cluster) -> None:
    core, leases = client.CoreV1Api(cluster.api), client.CoordinationV1Api(cluster.api)

    def renewed() -> Any:
        return leases.read_namespaced_lease("old", "kube-node-lease").spec.renew_time

    cluster.add_fake_node("old", runtime="docker://24.0.7")
    first = renewed()
    wait_for("its lease is renewed", lambda: renewed() > first, within=20, every=0.5)
    assert _runtime(core, "old") == "docker://24.0.7"
    assert cluster.server.node_ready("old")
    cluster.set_reported_runtime("old", "cri-o://1.30")
    assert _runtime(core, "old") == "cri-o://1.30"
    cluster.delete_node("old")
    assert not cluster.server.node_exists("old")


def test_a_control_plane_node_joins_and_leaves(cluster: Cluster) -> None:
    node = cluster.add_node(NodeSpec("m3", control_plane=True, runtime="legacy"))
    assert cluster.server.node_ready("m3")
    assert "config_path" not in node.host_path("/etc/containerd/config.toml").read_text()
    node.host_path("/etc/containerd/conf.d/extra.toml").write_text(
        'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  max_concurrent_downloads = 7\n'
    )
    node.restart_containerd()
    assert "max_concurrent_downloads = 7" in node.run(["containerd", "config", "dump"]).stdout
    cluster.delete_node("m3")
    assert not cluster.server.node_exists("m3")
    assert "m3" not in cluster.nodes


def test_nodes_go_on_when_the_api_server_is_away(cluster: Cluster) -> None:
    cluster.control_plane.stop_api()
    assert not reaches(cluster, "w1", "198.51.100.1", 6443)
    assert "pause:1" in cluster.node("w1").run(["crictl", "images"]).stdout
    cluster.control_plane.start_api()
    cluster.kubectl("get", "nodes")


def test_a_second_cluster_says_who_is_there(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WAIT_VARIABLE, raising=False)
    with pytest.raises(ClusterError, match=f"already on this machine: {cluster.folder}"):
        Cluster(tmp_path).start()
    assert cluster.kubectl("get", "nodes", "-o", "name").count("node/") == 5


def _runtime(core: Any, name: str) -> str:
    return str(core.read_node(name).status.node_info.container_runtime_version)
