"""Lists of tags and of referrers, of a cache and of a copy."""

from __future__ import annotations

import json
from typing import Any

from registry_gateway.oci import INDEX_TYPES, MANIFEST_TYPES
from tests.gateway.caching import caching, image, pulled
from tests.gateway.material import Material
from tests.support.fault_server import Reply

STALE = '110 - "Response is Stale"'


async def test_a_list_of_tags_is_the_upstreams_and_the_stores_when_that_is_away(material: Material) -> None:
    async def tags() -> tuple[dict[str, Any], str]:
        async with cache.get("/tags/list") as answer:
            assert answer.status == 200
            return await answer.json(), answer.headers.get("Warning", "")

    async with caching(material) as cache:
        image(cache.registry, tag="v1")
        await pulled(cache, "v1")
        body = json.dumps({"name": "deckhouse/ee", "tags": ["v1", "v2"]}).encode()
        cache.registry.replies["tags/list"] = Reply(200, {"Content-Type": "application/json"}, body)
        assert await tags() == ({"name": "system/deckhouse", "tags": ["v1", "v2"]}, "")
        cache.registry.replies["tags/list"] = Reply(503)
        assert await tags() == ({"name": "system/deckhouse", "tags": ["v1"]}, STALE)


async def test_a_copy_lists_tags_page_by_page(material: Material) -> None:
    async with caching(material, role="copy") as cache:
        for tag in ("a", "b", "c"):
            image(cache.registry, tag=tag)
            await pulled(cache, tag)
        seen, path = [], "/tags/list?n=2"
        while path:
            async with cache.get(path) as answer:
                seen.append((await answer.json())["tags"])
                link = answer.links.get("next")
                path = str(link["url"]).partition("/v2/system/deckhouse")[2] if link else ""
        assert seen == [["a", "b"], ["c"]]
        async with cache.get("/tags/list?n=0") as answer:
            assert await answer.json() == {"name": "system/deckhouse", "tags": []}


async def test_a_copy_lists_referrers_and_filters_them(material: Material) -> None:
    async with caching(material, role="copy") as cache:
        subject, _ = image(cache.registry, tag="v1")
        config = cache.registry.blob(b"{}", "application/vnd.oci.empty.v1+json")
        about = {"mediaType": MANIFEST_TYPES[0], "digest": subject, "size": 1}
        for kind in ("a/signature", "a/sbom"):
            document: dict[str, Any] = {
                "schemaVersion": 2,
                "artifactType": kind,
                "config": config,
                "layers": [],
                "subject": about,
            }
            one = cache.registry.manifest({**document, "annotations": {"of": kind}}, MANIFEST_TYPES[0])
            await pulled(cache, one["digest"])
        async with cache.get(f"/referrers/{subject}") as answer:
            assert answer.content_type == INDEX_TYPES[0]
            assert {one["artifactType"] for one in (await answer.json())["manifests"]} == {"a/signature", "a/sbom"}
        async with cache.get(f"/referrers/{subject}?artifactType=a/sbom") as answer:
            assert answer.headers["OCI-Filters-Applied"] == "artifactType"
            [found] = (await answer.json())["manifests"]
            assert (found["artifactType"], found["annotations"]) == ("a/sbom", {"of": "a/sbom"})
        async with cache.get(f"/referrers/sha256:{'0' * 64}") as answer:
            assert (answer.status, (await answer.json())["manifests"]) == (200, [])
