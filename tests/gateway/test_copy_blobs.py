"""Blobs of a copy: from its own store, from a route while there is one, and never from another repository."""

from __future__ import annotations

import hashlib

import pytest

from tests.gateway.caching import caching, image
from tests.gateway.material import Material
from tests.support.fault_server import Reply

BODY = bytes(range(256)) * 2048  # 512 KiB
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
PATH = f"blobs/{DIGEST}"


async def test_a_copy_without_anybody_behind_says_404(material: Material) -> None:
    async with caching(material, role="copy", routed=False) as cache:
        assert (await cache.read(f"/{PATH}"))[0] == 404
        assert (await cache.read("/manifests/v1"))[0] == 404


async def test_a_copy_fetches_from_the_route_what_it_lacks(material: Material) -> None:
    async with caching(material, role="copy") as cache:
        digest, manifest = image(cache.registry, BODY, tag="v1")
        assert (await cache.read("/manifests/v1"))[0] == 200
        for one in (manifest["config"], *manifest["layers"]):
            assert (await cache.read(f"/blobs/{one['digest']}"))[0] == 200
        cache.registry.content.clear()
        assert (await cache.read("/manifests/v1"))[0] == (await cache.read(f"/manifests/{digest}"))[0] == 200


@pytest.mark.parametrize(("role", "status"), [("copy", 404), ("cache", 200)])
async def test_a_copy_gives_a_repository_nothing_that_only_another_one_has(
    material: Material, role: str, status: int
) -> None:
    async with caching(material, role=role) as cache:
        cache.registry.replies[f"/v2/deckhouse/ee/x/{PATH}"] = Reply(200, body=BODY)
        assert await cache.read(f"/x/{PATH}") == (200, BODY)
        assert (await cache.read(f"/{PATH}"))[0] == status, "content that was deleted would come back"
