"""Collection of a copy: versions of downloaded modules, and what the settings keep besides."""

from __future__ import annotations

import pytest

from registry_gateway.config_store import KeptImage
from registry_gateway.sources.base import ignore
from registry_gateway.upkeep.collection import Collection
from tests.gateway.stores import expected, layer, listing, release, stored
from tests.gateway.test_collection import MODULE, collect, collection, image
from tests.store.site import DAY, MANIFEST, NAME, Site


async def module(site: Site, version: str) -> tuple[str, set[str]]:
    """Push a version of a module: its bundle, an image that only this lists, its release; the bundle, all of them."""
    untagged = await image(site, f"of {version}", name=MODULE)
    bundle = await site.push_image(layer({"images_digests.json": listing([untagged])}), tag=version, name=MODULE)
    return bundle, {bundle, untagged, await image(site, f"release {version}", tag=version, name=f"{MODULE}/release")}


async def test_old_versions_of_a_module_go_with_all_that_only_they_list() -> None:
    async with stored() as site:
        await release(site, "v1.70.1", [await image(site, "platform")])
        pushed = {version: await module(site, version) for version in ("v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0")}
        await site.store.changes.put_manifest(
            f"{MODULE}/release", (await site.store.contents.manifest(f"{MODULE}/release", "v1.3.0")).content,
            MANIFEST, tag="stable",
        )  # fmt: skip
        went = await collect(site, expected("v1.70.1"), modules={"ingress": "v1.2.0", "elsewhere": "v1.0.0"})
        for version, (_, parts) in pushed.items():
            gone = version in ("v1.0.0", "v1.1.0")
            assert parts <= went if gone else not parts & went, version
        assert await site.store.contents.tags(MODULE) == ["v1.2.0", "v1.3.0"]
        assert await site.store.contents.tags(f"{MODULE}/release") == ["stable", "v1.2.0", "v1.3.0"]
        assert await collect(site, expected("v1.70.1"), modules={"ingress": "v1.2.0"}) == set()


async def test_a_module_without_images_of_its_own_holds_nothing_back() -> None:
    async with stored() as site:
        await release(site, "v1.70.1", [await image(site, "platform")])
        old = await image(site, "hooks only, old", tag="v1.0.0", name=MODULE)
        new = await site.push_image(layer({"module.yaml": b"name: ingress"}), tag="v1.1.0", name=MODULE)
        looked = await collection(site, expected("v1.70.1"), modules={"ingress": "v1.1.0"}).look()
        assert looked.kept_back == ""
        went = await collect(site, expected("v1.70.1"), modules={"ingress": "v1.1.0"})
        assert old in went
        assert new not in went


@pytest.mark.parametrize("modules", [{}, {"ingress": "pr333"}, {"other": "v1.2.0"}], ids=["none", "override", "other"])
async def test_of_a_module_nothing_goes_while_nobody_knows_which_version_runs(modules: dict[str, str]) -> None:
    async with stored() as site:
        old = await release(site, "v1.69.0", [await image(site, "platform")])
        await release(site, "v1.70.1", [await image(site, "platform")])
        kept = set()
        for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
            untagged = await image(site, f"of {version}", name=MODULE)
            layers = layer({"images_digests.json": listing([untagged])})
            kept |= {untagged, await site.push_image(layers, tag=version, name=MODULE)}
            kept.add(await image(site, f"release {version}", tag=version, name=f"{MODULE}/release"))
        body = (await site.store.contents.manifest(MODULE, untagged)).content
        await site.store.changes.put_manifest(MODULE, body, MANIFEST, tag=untagged.removeprefix("sha256:"))
        kept.add(await image(site, "signature", tag=f"{untagged.replace(':', '-')}.sig", name=MODULE))
        tags = await site.store.contents.tags(MODULE)
        went = await collect(site, expected("v1.70.1"), modules=modules)
        assert old in went
        assert not kept & went
        assert await site.store.contents.tags(MODULE) == tags
        assert len(await site.store.contents.tags(f"{MODULE}/release")) == 3
        assert all([not await site.store.contents.missing(MODULE, tag) for tag in tags])


async def test_what_the_settings_keep_stays_by_name_until_they_do_not() -> None:
    async with stored() as site:
        listed = await image(site, "listed by the old one")
        old = await release(site, "v1.69.0", [listed])
        await release(site, "v1.70.0", [await image(site, "listed")])
        untagged = await image(site, "untagged", name=f"{NAME}/install")
        keep = (KeptImage("", "v1.69.0"), KeptImage("install", untagged), KeptImage("install", "v0.0.1"))
        made = Collection(
            site.store, NAME, expected("v1.70.0"), keep_releases=1, modules={}, keep=keep, changed=ignore
        )  # fmt: skip
        site.clock.pass_(2 * DAY)
        found = await made.look()
        assert found.absent == (f"{NAME}/install:v0.0.1",)
        assert (await made.collect()).digests == []
        assert await site.store.contents.tags(NAME) == ["v1.69.0", "v1.70.0"]
        went = await collect(site, expected("v1.70.0"))
        assert {old, listed, untagged} <= set(went)
        assert await site.store.contents.tags(NAME) == ["v1.70.0"]
