"""A cold start: every gateway at once, no API server, no upstream; what is on the masters' disks is served."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.e2e.modes import masters, to
from tests.e2e.waiting import failed, pull_everywhere, wait
from tests.platform import replicas
from tests.platform.assembly import VIRTUAL, Platform
from tests.platform.cluster import ClusterError

pytestmark = [pytest.mark.root, pytest.mark.cluster, pytest.mark.timeout(300)]

STARTED_SECONDS = 120  # the kubelet waits longer before each further start of a container


def test_all_gateways_started_anew_without_api_server_and_upstream_serve_from_disk(platform: Platform) -> None:
    to(platform, "Local")
    nodes, upstreams = masters(platform), (platform.upstream_a, platform.upstream_b)
    images = [platform.wanted(platform.images[name], by_digest=True) for name in ("app", "pause")]
    platform.operator.kill()
    for upstream in upstreams:
        upstream.stop()
    platform.cluster.control_plane.stop_api()
    try:
        with pytest.raises(ClusterError):
            platform.cluster.kubectl("get", "nodes", "--request-timeout=2s")
        with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
            killed = dict(zip(nodes, pool.map(replicas.kill, nodes), strict=True))
        assert all(killed.values()), "a master had no gateway"
        for node in nodes:
            wait(partial(replicas.ready, node), f"the gateway of {node.name}", STARTED_SECONDS)
            assert not killed[node] & replicas.processes(node), f"{node.name} was not started anew"
        assert failed(pull_everywhere(platform, images)) == []
    finally:
        platform.cluster.control_plane.start_api()
        for upstream in upstreams:
            upstream.start()
        platform.start_operator()
    platform.wait_ready("Local")


@pytest.mark.long
def test_images_that_must_be_there_before_the_gateway_are_not_behind_it(platform: Platform) -> None:
    to(platform, "Local")
    path = "jsonpath={.spec.template.spec.containers[*].image} {.spec.template.spec.initContainers[*].image}"
    used = platform.cluster.kubectl("get", "daemonset", "-n", "d8-system", "registry-gateway", "-o", path).split()
    assert used
    assert [image for image in used if image.startswith(VIRTUAL.partition("/")[0])] == []
