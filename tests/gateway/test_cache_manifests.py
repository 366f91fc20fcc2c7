"""Manifests through the cache: digests for ever, tags looked at again, served stale when nobody can be asked."""

from __future__ import annotations

import asyncio
import json

import pytest

from registry_gateway.oci import MANIFEST_TYPES
from registry_gateway.store.store import Store
from tests.gateway.caching import Cache, caching, image, pulled
from tests.gateway.listening import counted
from tests.gateway.material import Material
from tests.gateway.serving import QUICK
from tests.support.fault_server import Reply

STALE = '110 - "Response is Stale"'


def asked(cache: Cache, reference: str) -> list[str]:
    """Methods by which the registry was asked for it, in order."""
    path = f"/v2/deckhouse/ee/manifests/{reference}"
    return [one.method for one in cache.registry.server.asked if one.path == path]


async def test_a_digest_is_asked_for_once_and_served_for_ever(material: Material) -> None:
    async with caching(material) as cache:
        digest, manifest = image(cache.registry)
        for _ in range(2):
            async with cache.get(f"/manifests/{digest}") as answer:
                assert json.loads(await answer.read()) == manifest
                assert answer.content_type == MANIFEST_TYPES[0]
                assert answer.headers["Docker-Content-Digest"] == digest
        cache.registry.content.clear()
        assert (await pulled(cache, digest))[0] == 200
        assert asked(cache, digest) == ["GET"]


@pytest.mark.parametrize(("role", "gets"), [("cache", 2), ("copy", 3)])
async def test_what_was_deleted_from_a_copy_is_kept_by_a_cache_only(material: Material, role: str, gets: int) -> None:
    async with caching(material, role="copy") as cache:
        digest, _ = image(cache.registry)
        assert (await pulled(cache, digest))[0] == 200
        async with await Store.open(cache.folder) as store:
            await store.changes.delete_manifest("system/deckhouse", digest)
        cache.become(role)
        assert [(await pulled(cache, digest))[0] for _ in range(2)] == [200, 200]
        assert asked(cache, digest) == ["GET"] * gets


async def test_many_clients_of_a_cold_tag_cost_one_request(material: Material) -> None:
    async with caching(material) as cache:
        digest, _ = image(cache.registry, tag="v1")
        pulls = await asyncio.gather(*(pulled(cache, "v1") for _ in range(30)))
        assert set(pulls) == {(200, digest, "")}
        assert asked(cache, "v1") == ["GET"]


async def test_a_tag_is_not_looked_at_again_too_soon(material: Material) -> None:
    async with caching(material) as cache:
        digest, _ = image(cache.registry, tag="v1")
        await pulled(cache, "v1")
        image(cache.registry, b"new", tag="v1")
        assert await pulled(cache, "v1") == (200, digest, "")
        assert asked(cache, "v1") == ["GET"]


async def test_an_old_tag_that_still_holds_costs_a_head(material: Material) -> None:
    async with caching(material) as cache:
        digest, _ = image(cache.registry, tag="v1")
        with_digest(cache, "v1", digest)
        await pulled(cache, "v1")
        cache.make_old()
        for _ in range(2):
            assert await pulled(cache, "v1") == (200, digest, "")
        assert asked(cache, "v1") == ["GET", "HEAD"]


async def test_an_old_tag_that_has_moved_is_fetched(material: Material) -> None:
    async with caching(material) as cache:
        image(cache.registry, tag="v1")
        await pulled(cache, "v1")
        cache.make_old()
        new, _ = image(cache.registry, b"new", tag="v1")
        with_digest(cache, "v1", new)
        assert await pulled(cache, "v1") == (200, new, "")
        assert await pulled(cache, "v1") == (200, new, "")
        assert asked(cache, "v1") == ["GET", "HEAD", "GET"]


@pytest.mark.parametrize("fault", [Reply(500), Reply(429), Reply(503), Reply(silent=True)])
async def test_an_old_tag_is_served_stale_when_the_upstream_is_away(material: Material, fault: Reply) -> None:
    async with caching(material, deadlines=QUICK) as cache:
        digest, _ = image(cache.registry, tag="v1")
        await pulled(cache, "v1")
        cache.make_old()
        cache.registry.replies["manifests/v1"] = fault
        before = counted("registry_store_stale_total", kind="manifest")
        assert await pulled(cache, "v1") == (200, digest, STALE)
        async with cache.head("/manifests/v1") as answer:
            assert (answer.status, answer.headers["Warning"]) == (200, STALE)
        assert counted("registry_store_stale_total", kind="manifest") == before + 2


async def test_a_tag_that_nobody_remembers_is_an_outage_when_the_upstream_is_away(material: Material) -> None:
    async with caching(material) as cache:
        cache.registry.replies["manifests/v1"] = Reply(500)
        assert (await pulled(cache, "v1"))[0] == 502


async def test_a_tag_that_has_gone_upstream_goes_here_and_its_digest_stays(material: Material) -> None:
    async with caching(material) as cache:
        digest, _ = image(cache.registry, tag="v1")
        await pulled(cache, "v1")
        cache.make_old()
        del cache.registry.content["manifests/v1"]
        assert (await pulled(cache, "v1"))[0] == 404
        cache.registry.replies["manifests/v1"] = Reply(500)
        assert (await pulled(cache, "v1"))[0] == 502, "it is not served stale"
        assert (await pulled(cache, digest))[0] == 200


@pytest.mark.parametrize(("status", "expected"), [(401, 401), (403, 403)])
async def test_refused_credentials_are_told_and_not_covered_up(material: Material, status: int, expected: int) -> None:
    async with caching(material) as cache:
        image(cache.registry, tag="v1")
        await pulled(cache, "v1")
        cache.make_old()
        cache.registry.replies["manifests/v1"] = Reply(status)
        assert (await pulled(cache, "v1"))[0] == expected


async def test_a_head_of_a_cold_tag_fetches_nothing(material: Material) -> None:
    async with caching(material) as cache:
        image(cache.registry, tag="v1")
        async with cache.head("/manifests/v1") as answer:
            assert answer.status == 200
        assert asked(cache, "v1") == ["HEAD"]


async def test_a_manifest_that_was_damaged_on_disk_is_put_aside_and_fetched_again(material: Material) -> None:
    async with caching(material) as cache:
        digest, _ = image(cache.registry, tag="v1")
        for reference in ("v1", digest):
            await pulled(cache, reference)
            file = cache.file(digest)
            file.chmod(0o600)
            file.write_bytes(b"!" + file.read_bytes()[1:])
            assert await pulled(cache, reference) == (200, digest, "")
            assert (cache.folder / "quarantine" / digest.replace(":", "-")).read_bytes()[:1] == b"!"
            assert file.read_bytes()[:1] == b"{"


async def test_a_manifest_that_is_not_what_its_digest_says_is_neither_served_nor_kept(material: Material) -> None:
    async with caching(material) as cache:
        digest, _ = image(cache.registry)
        cache.registry.replies[f"manifests/{digest}"] = Reply(200, {"Content-Type": MANIFEST_TYPES[0]}, b"{}")
        assert (await pulled(cache, digest))[0] == 502
        cache.registry.replies.clear()
        assert (await pulled(cache, digest))[0] == 200


async def test_a_manifest_of_a_foreign_kind_is_given_but_not_kept(material: Material) -> None:
    async with caching(material) as cache:
        digest = cache.registry.manifest({"schemaVersion": 1}, "application/vnd.example+json", "v1")["digest"]
        before = counted("registry_store_unstored_total", reason="invalid")
        assert await pulled(cache, "v1") == (200, digest, "")
        assert counted("registry_store_unstored_total", reason="invalid") == before + 1
        assert not cache.file(digest).exists()


async def test_a_manifest_above_the_limit_is_refused(material: Material) -> None:
    async with caching(material) as cache:
        cache.registry.replies["manifests/v1"] = Reply(200, body=b" " * (4 * 1024 * 1024 + 1))
        assert (await pulled(cache, "v1"))[0] == 502


def with_digest(cache: Cache, tag: str, digest: str) -> None:
    """Let the registry tell the digest of `tag`, as registries do."""
    media_type, body = cache.registry.content[f"manifests/{tag}"]
    headers = {"Content-Type": media_type, "Docker-Content-Digest": digest}
    cache.registry.replies[f"manifests/{tag}"] = Reply(200, headers, body)


async def test_a_spare_store_answers_only_what_the_registry_cannot(material: Material) -> None:
    async with caching(material, role="cache") as cache:
        digest, _ = image(cache.registry, tag="v1")
        await pulled(cache, "v1")
        cache.become("spare")
        new, _ = image(cache.registry, b"new", tag="v1")
        async with cache.get("/manifests/v1") as answer:
            assert await answer.json() == json.loads(cache.registry.content[f"manifests/{new}"][1])
        cache.registry.content.clear()
        assert (await pulled(cache, "v1"))[:2] == (200, digest)
        assert (await pulled(cache, new))[0] == 404, "it keeps nothing new"
