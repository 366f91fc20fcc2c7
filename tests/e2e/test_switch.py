"""Both ways under load on real kubelets and containerds: no pull fails, nothing stays behind."""

from __future__ import annotations

import json

import pytest

from tests.demo import clients
from tests.e2e.modes import UNMANAGED, at_rest, endpoints, hosts_toml, to_direct, to_unmanaged, touched
from tests.platform.assembly import Platform
from tests.platform.cluster import ClusterError
from tests.platform.settings import direct

pytestmark = [pytest.mark.root, pytest.mark.cluster, pytest.mark.timeout(600)]


def test_refused_settings_are_named_at_apply(platform: Platform) -> None:
    with pytest.raises(ClusterError, match="user and password: give both or none"):
        platform.apply(direct(platform.upstream_a, password=""))
    with pytest.raises(ClusterError, match="mode"):
        platform.apply({"mode": "Detached"})


@pytest.mark.long
def test_other_runtime_is_named_and_nothing_is_touched_until_it_is_gone(platform: Platform) -> None:
    to_unmanaged(platform)
    platform.cluster.add_fake_node("docker", runtime="docker://24.0.7")
    try:
        platform.wait_facts(lambda facts: facts["nodes"]["unsupported"]["count"] == 1, "docker to be discovered")
        platform.apply(direct(platform.upstream_a))
        platform.wait_status(lambda status: status.get("stage") == "RuntimeSupported", "a refusal of docker")
        message = platform.condition("RuntimeSupported")["message"]
        assert "other runtimes: docker (docker://24.0.7). Set cri.type" in message
        assert touched(platform) == []
        assert "registry-gateway" not in platform.cluster.kubectl("get", "daemonset", "-n", "d8-system")
    finally:
        platform.cluster.delete_node("docker")
    platform.wait_ready("Direct")


@pytest.mark.long
def test_no_pull_fails_on_the_way_to_direct_and_back(platform: Platform) -> None:
    to_unmanaged(platform)
    with platform.pulling() as pulls:
        to_direct(platform)
        rows = [*clients.pods_on_every_node(platform), clients.skopeo_in_cluster(platform)]
        assert [(row.who, row.result) for row in rows if row.result != "ok"] == []
        platform.apply(direct(platform.upstream_b))
        platform.wait_ready("Direct")
        to_unmanaged(platform)
    assert [(each.node, each.image, each.error) for each in pulls.failures] == []
    assert all(pulls.count(name) > 3 for name in platform.cluster.nodes)
    at_rest(platform, "Unmanaged")


def test_route_of_each_node_fits_its_containerd(platform: Platform) -> None:
    to_direct(platform)
    for name, node in platform.cluster.nodes.items():
        report = json.loads(
            platform.cluster.kubectl(
                "get", "node", name, "-o", r"jsonpath={.metadata.annotations.registry\.deckhouse\.io/route-report}"
            )
        )
        assert report["rewrite"] == (node.spec.runtime == "rewrite")
        assert report["clientCert"] is True
        assert report["canary"]["ok"] is True
        asked = endpoints(node)
        gateways = {f"https://{n.address}:5001" for n in platform.cluster.nodes.values() if n.spec.control_plane}
        assert gateways <= set(asked)
        assert (asked[0] == f"https://{platform.upstream_a.host}") == report["rewrite"]
        assert "registry.d8-system.svc" not in json.dumps(hosts_toml(node))


def test_change_of_mind_half_way_ends_as_wanted(platform: Platform) -> None:
    to_unmanaged(platform)
    with platform.pulling() as pulls:
        platform.apply(direct(platform.upstream_a))
        platform.wait_status(lambda s: s.get("stage") in ("NodesPrepared", "PlatformSwitched"), "nodes being prepared")
        platform.apply(UNMANAGED)
        platform.wait_ready("Unmanaged")
    assert pulls.failures == []
    at_rest(platform, "Unmanaged")
