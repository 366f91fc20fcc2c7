"""Mode Local: filled, pushed to, cut in two, robbed of a disk, grown by a master; replicas agree and no pull fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.modes import complete, masters, to
from tests.e2e.waiting import failed, more_pulls, pull_everywhere, wait
from tests.platform import replicas
from tests.platform.assembly import Platform
from tests.platform.cluster import NodeSpec
from tests.platform.images.fresh import Fresh, fresh
from tests.platform.pushes import ALIAS, Pusher, client_of, push_by_api

pytestmark = [pytest.mark.root, pytest.mark.cluster, pytest.mark.timeout(400)]

AGREED_SECONDS = 120
# Repositories and tags as `d8 mirror push` leaves them, in the order in which it pushes.
MIRRORED = (
    *(("", "v1.70.9"), ("release-channel", "v1.70.9"), ("install", "v1.70.9"), ("security/trivy-db", "2")),
    *(("modules/console", "v1.2.3"), ("modules/console/release", "v1.2.3")),
)
CHANNELS = (("release-channel", "stable"), ("install", "stable"), ("modules/console/release", "stable"))


def all_agree(platform: Platform, timeout: float = AGREED_SECONDS) -> None:
    """Wait until all replicas hold the same, whole."""
    nodes = masters(platform)
    wait(lambda: replicas.agree(nodes), "replicas to agree", timeout, detail=lambda: replicas.differences(nodes))


def on_every_master(platform: Platform, images: list[Fresh]) -> Callable[[], bool]:
    """Whether each replica has these images by their tags."""
    wanted = {(f"{ALIAS}/{i.image.repository}".rstrip("/"), i.image.tag, i.image.digest) for i in images}
    return lambda: all(wanted <= replicas.held(replicas.folder(node)) for node in masters(platform))


def test_filled_from_the_upstream_it_serves_without_one(platform: Platform) -> None:
    to(platform, "Local")
    assert [node.name for node in masters(platform) if not complete(platform, node)] == []
    upstreams = (platform.upstream_a, platform.upstream_b)
    for upstream in upstreams:
        upstream.stop()
    try:
        images = [platform.wanted(platform.images[name], by_digest=True) for name in ("app", "pause")]
        assert failed(pull_everywhere(platform, images)) == []
    finally:
        for upstream in upstreams:
            upstream.start()


def test_pushed_by_skopeo_and_crane_on_a_node_it_is_on_every_master_and_pulled_everywhere(
    platform: Platform, tmp_path: Path
) -> None:
    to(platform, "Local")
    worker = platform.cluster.node("w2")
    one, other = fresh(tmp_path / "skopeo", "team/skopeo", "v1"), fresh(tmp_path / "crane", "team/crane", "v1")
    Pusher(platform, worker, gateway=platform.cluster.node("m1")).skopeo(one)
    pusher = Pusher(platform, worker, gateway=platform.cluster.node("m2"))
    pusher.crane(other)
    pusher.crane_tag(other, "latest")
    wait(on_every_master(platform, [one, other]), "both images on every master", AGREED_SECONDS)
    assert failed(pull_everywhere(platform, [platform.wanted(each.image) for each in (one, other)])) == []
    all_agree(platform)


def test_a_sequence_as_of_d8_mirror_push_is_whole_on_every_master(platform: Platform, tmp_path: Path) -> None:
    to(platform, "Local")
    images = [fresh(tmp_path / f"{n}", repository, tag) for n, (repository, tag) in enumerate(MIRRORED)]
    client = client_of(platform, platform.cluster.node("m3"))
    for image in images:
        push_by_api(client, image)
    released = {image.image.repository: image for image in images}
    for repository, channel in CHANNELS:
        index = released[repository].blob(released[repository].image.digest)
        client.put_manifest(f"{ALIAS}/{repository}", channel, index, "application/vnd.oci.image.index.v1+json")
    wait(on_every_master(platform, images), "all images on every master", AGREED_SECONDS)
    for node in masters(platform):
        reader = client_of(platform, node, "ro")
        for repository, channel in CHANNELS:
            answer = reader.manifest(f"{ALIAS}/{repository}", channel)
            digest = answer.headers.get("docker-content-digest")
            assert (answer.status, digest) == (200, released[repository].image.digest)
    assert (
        failed(pull_everywhere(platform, [platform.wanted(images[0].image), platform.wanted(images[-1].image)])) == []
    )
    all_agree(platform)


@pytest.mark.long
def test_cut_between_two_masters_during_a_push_loses_nothing(platform: Platform, tmp_path: Path) -> None:
    to(platform, "Local")
    half, whole = fresh(tmp_path / "half", "team/cut", "half"), fresh(tmp_path / "whole", "team/cut", "whole")
    repository = f"{ALIAS}/team/cut"
    client = client_of(platform, platform.cluster.node("m1"))
    layer, *rest = sorted(half.blobs(half.manifests()[0]), key=lambda digest: digest != half.layer)
    assert layer == half.layer
    with platform.pulling() as pulls:
        try:
            # The network goes away with half of the layer sent, and what follows happens without it.
            client.push_blob(repository, half.blob(layer), pieces=2, between=lambda: platform.cluster.cut("m1", "m2"))
            for digest in rest:
                client.push_blob(repository, half.blob(digest))
            push_by_api(client, half)
            Pusher(platform, platform.cluster.node("w1"), gateway=platform.cluster.node("m2")).skopeo(whole)
            more_pulls(platform, pulls, timeout=180)  # a node may first have to find out who is gone
        finally:
            platform.cluster.heal("m1", "m2")
        wait(on_every_master(platform, [half, whole]), "both images on every master", AGREED_SECONDS)
        all_agree(platform)
    assert failed(pulls.pulls) == []
    assert failed(pull_everywhere(platform, [platform.wanted(half.image), platform.wanted(whole.image)])) == []


def test_wiped_disk_is_filled_again_from_the_others_and_no_pull_fails(platform: Platform) -> None:
    to(platform, "Local")
    all_agree(platform)
    lost = platform.cluster.node("m2")
    before = replicas.held(replicas.folder(lost))
    with platform.pulling() as pulls:
        replicas.wipe(lost)
        replicas.kill(lost)  # as after a new disk: the pod starts on an empty one
        wait(lambda: replicas.ready(lost), "the gateway of m2 to be ready", 60)
        all_agree(platform)
        platform.wait_ready("Local")
        more_pulls(platform, pulls)
    assert failed(pulls.pulls) == []
    assert replicas.held(replicas.folder(lost)) == before


@pytest.mark.long
def test_joining_master_gets_the_whole_copy_and_no_pull_fails(platform: Platform) -> None:
    to(platform, "Local")
    with platform.pulling() as pulls:
        platform.add_node(NodeSpec("m4", control_plane=True))
        try:
            all_agree(platform, 180)
            platform.wait_status(lambda s: s["nodes"] == "7/7" and s["stage"] == "Ready", "seven nodes Ready", 120)
        finally:
            before_leaving = list(pulls.pulls)
            platform.cluster.delete_node("m4")
    assert failed(before_leaving) == []
    platform.wait_status(lambda s: s["nodes"] == "6/6" and s["stage"] == "Ready", "six nodes Ready", 120)
