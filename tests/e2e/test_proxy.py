"""Mode Proxy: what the upstream is asked for, what goes on without it, and a cache that is too small."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.modes import masters, to
from tests.e2e.waiting import failed, more_pulls, pull_everywhere, wait
from tests.platform import replicas
from tests.platform.assembly import VIRTUAL, Platform
from tests.platform.images.fresh import Fresh, fresh
from tests.platform.pushes import client_of
from tests.platform.settings import proxy
from tests.platform.upstream.access_log import Access

pytestmark = [pytest.mark.root, pytest.mark.cluster, pytest.mark.timeout(400)]

ALIAS = VIRTUAL.partition("/")[2]
COLD, FLOOD = "cold", "flood"  # repositories below the base, unknown to everything before
SMALL_CACHE, FLOOD_IMAGES, FLOOD_MEBIBYTES = 16, 4, 6
STALE_ANSWERS = "registry_store_stale_total"
EVICTED_SECONDS = 120
REVALIDATED_SECONDS = 180  # a tag is asked for again before that, and an upstream that is back is noticed


@pytest.fixture(scope="module")
def cold(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """An image at the upstream that nobody has pulled yet."""
    return at_upstream(platform, tmp_path_factory.mktemp("cold") / "layout", COLD, "v1", mebibytes=16)


def at_upstream(platform: Platform, folder: Path, repository: str, tag: str, *, mebibytes: int) -> Fresh:
    """Make an image and push it to the registry behind the cache."""
    made = fresh(folder, repository, tag, mebibytes=mebibytes)
    platform.upstream_b.push_images(made.layout, made.image)
    return made


def asked(platform: Platform, repository: str) -> list[Access]:
    """What the upstream has answered in this repository to anybody who reads; its challenges do not count."""
    place = f"/v2/{platform.upstream_b.path}/{repository}/"
    reads = [each for each in platform.upstream_b.accesses() if each.method in ("GET", "HEAD")]
    return [each for each in reads if each.path.startswith(place) and each.status != 401]


def egress(platform: Platform, image: Fresh) -> int:
    """Bytes of an image's layer that the upstream has sent."""
    accesses = asked(platform, image.image.repository)
    return sum(each.size for each in accesses if each.method == "GET" and each.path.endswith(f"/blobs/{image.layer}"))


def test_first_pull_of_all_nodes_costs_the_upstream_one_copy_and_the_second_nothing(
    platform: Platform, cold: Fresh
) -> None:
    to(platform, "Proxy")
    pushed = len(asked(platform, COLD))
    tagged, pinned = platform.wanted(cold.image), platform.wanted(cold.image, by_digest=True)
    assert failed(pull_everywhere(platform, [tagged])) == []
    wait(lambda: egress(platform, cold) >= cold.size, "the upstream's log of the first pull", 30)
    assert egress(platform, cold) == cold.size, asked(platform, COLD)[pushed:]
    first = len(asked(platform, COLD))
    assert failed(pull_everywhere(platform, [pinned])) == []
    assert asked(platform, COLD)[first:] == []


def test_upstream_off_cached_images_are_pulled_and_a_tag_is_stale_until_it_is_back(
    platform: Platform, cold: Fresh, tmp_path: Path
) -> None:
    to(platform, "Proxy")
    tagged, pinned = platform.wanted(cold.image), platform.wanted(cold.image, by_digest=True)
    assert failed(pull_everywhere(platform, [tagged])) == []
    caches = {node.name: client_of(platform, node, "ro") for node in masters(platform)}

    def answers() -> dict[str, tuple[int, str, bool]]:
        """Of each cache for the tag: status, digest, and whether it warns."""
        got = {name: cache.manifest(f"{ALIAS}/{COLD}", cold.image.tag) for name, cache in caches.items()}
        return {
            name: (a.status, a.headers.get("docker-content-digest", ""), "warning" in a.headers)
            for name, a in got.items()
        }

    fresh_now = dict.fromkeys(caches, (200, cold.image.digest, False))
    assert answers() == fresh_now  # and each of them has it from now on
    platform.upstream_b.stop()
    try:
        assert failed(pull_everywhere(platform, [tagged, pinned])) == []
        stale = dict.fromkeys(caches, (200, cold.image.digest, True))
        wait(lambda: answers() == stale, "a Warning of each cache", REVALIDATED_SECONDS, detail=lambda: str(answers()))
        assert [node.name for node in masters(platform) if not replicas.metric(node, STALE_ANSWERS)] == []
        assert failed(pull_everywhere(platform, [tagged, pinned])) == []
    finally:
        platform.upstream_b.start()
    second = at_upstream(platform, tmp_path / "layout", COLD, cold.image.tag, mebibytes=1)
    current = dict.fromkeys(caches, (200, second.image.digest, False))
    wait(lambda: answers() == current, "the tag's new image", REVALIDATED_SECONDS, detail=lambda: str(answers()))
    assert failed(pull_everywhere(platform, [platform.wanted(second.image), pinned])) == []


@pytest.mark.long
def test_small_cache_drops_the_oldest_under_pulls_and_none_fails(platform: Platform, tmp_path: Path) -> None:
    images = [
        at_upstream(platform, tmp_path / f"{n}", FLOOD, f"v{n}", mebibytes=FLOOD_MEBIBYTES) for n in range(FLOOD_IMAGES)
    ]
    limit = SMALL_CACHE << 20
    assert sum(image.size for image in images) > limit, "all of them would fit"
    platform.apply(proxy(platform.upstream_b, cacheSize=f"{SMALL_CACHE}Mi"))
    platform.wait_ready("Proxy")
    stores = {node.name: replicas.folder(node) for node in masters(platform)}
    protected = {name: expected_in(platform, store) for name, store in stores.items()}
    assert any(protected.values()), "no cache has an image that the running release expects"

    def sizes() -> dict[str, int]:
        return {name: replicas.size(store) for name, store in stores.items()}

    def all_small() -> bool:
        return all(size <= limit for size in sizes().values())

    with platform.pulling(*(platform.wanted(image.image, by_digest=True) for image in images)) as pulls:
        for node in masters(platform):  # so that every cache has met all of them, whichever the nodes prefer
            client = client_of(platform, node, "ro")
            for image in images:
                assert len(client.blob(f"{ALIAS}/{FLOOD}", image.layer)) == image.size
        more_pulls(platform, pulls, FLOOD_IMAGES, timeout=180)
    assert failed(pulls.pulls) == []
    wait(all_small, f"{SMALL_CACHE} MiB in every cache", EVICTED_SECONDS, detail=lambda: str(sizes()))
    assert {name: protected[name] - expected_in(platform, store) for name, store in stores.items()} == {
        name: frozenset() for name in stores
    }


def expected_in(platform: Platform, store: Path) -> frozenset[str]:
    """Digests of the running release's images that a store has a name for."""
    return frozenset(d for _, _, d in replicas.held(store)) & {platform.images[n].digest for n in ("app", "pause")}
