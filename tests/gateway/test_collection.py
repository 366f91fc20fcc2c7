"""Collection of a copy: what the kept releases list stays, by whatever name, and nothing uncertain goes."""

from __future__ import annotations

import json

import pytest

from registry_gateway.config import Check
from registry_gateway.oci import MANIFEST_TYPES
from registry_gateway.sources.base import ignore
from registry_gateway.upkeep.collection import NAMES_SHOWN, Collection
from tests.gateway.stores import expected, layer, listing, release, stored
from tests.store import site as build
from tests.store.site import DAY, INDEX, MANIFEST, NAME, Site, digest

MODULE = f"{NAME}/modules/ingress"


def collection(
    site: Site, check: Check | None, *, keep_releases: int = 1, modules: dict[str, str] | None = None
) -> Collection:
    return Collection(site.store, NAME, check, keep_releases=keep_releases, modules=modules or {}, changed=ignore)


async def collect(
    site: Site, check: Check | None, *, keep_releases: int = 1, modules: dict[str, str] | None = None
) -> set[str]:
    """Collect two days later; returns the digests that went."""
    site.clock.pass_(2 * DAY)
    return set((await collection(site, check, keep_releases=keep_releases, modules=modules).collect()).digests)


async def image(site: Site, label: str, *, tag: str = "", name: str = NAME) -> str:
    return await site.push_image(b"layer of " + label.encode(), tag=tag, name=name, label=label)


async def test_old_releases_go_with_all_that_only_they_list() -> None:
    async with stored() as site:
        shared, old, new, running = [await image(site, label) for label in ("shared", "old", "new", "running")]
        for tag, images in (("v1.68.0", [shared, running]), ("v1.69.0", [shared, old]), ("v1.70.0", [shared, new])):
            await release(site, tag, images)
            for companion in ("install", "install-standalone", "release-channel"):
                await image(site, companion + tag, tag=tag, name=f"{NAME}/{companion}")
        await image(site, "channel", tag="stable", name=f"{NAME}/release-channel")
        top = (await site.store.contents.tag(NAME, "v1.68.0"))[0]
        went = await collect(site, expected(running, top))
        assert old in went
        assert not {shared, new, running} & went
        for name in (NAME, f"{NAME}/install", f"{NAME}/install-standalone"):
            assert await site.store.contents.tags(name) == ["v1.68.0", "v1.70.0"], "the running one and the newest"
        assert await site.store.contents.tags(f"{NAME}/release-channel") == ["stable", "v1.68.0", "v1.70.0"]
        assert await site.store.contents.missing(NAME, new) == []
        assert await collect(site, expected(running, top)) == set()


async def test_digests_as_tags_go_with_what_they_name() -> None:
    async with stored() as site:
        old, new = await image(site, "old"), await image(site, "new")
        for one in (old, new):
            body = (await site.store.contents.manifest(NAME, one)).content
            await site.store.changes.put_manifest(NAME, body, MANIFEST, tag=one.removeprefix("sha256:"))
            await image(site, f"signature of {one}", tag=f"{one.replace(':', '-')}.sig")
        await release(site, "v1.69.0", [old])
        await release(site, "v1.70.0", [new])
        await collect(site, expected(new))
        hexes = [new.removeprefix("sha256:"), f"{new.replace(':', '-')}.sig"]
        assert await site.store.contents.tags(NAME) == sorted([*hexes, "v1.70.0"])
        assert await site.store.contents.missing(NAME, hexes[1]) == []


async def test_the_images_of_a_push_that_takes_hours_wait_for_their_release() -> None:
    async with stored() as site:
        await release(site, "v1.70.0", [await image(site, "old")])
        early = await image(site, "early")
        site.clock.pass_(DAY / 2)
        assert not (await collection(site, expected("v1.70.0")).collect()).digests
        await release(site, "v1.71.0", [early])
        went = await collect(site, expected("v1.70.0"))
        assert early not in went
        assert await site.store.contents.tags(NAME) == ["v1.70.0", "v1.71.0"]


async def test_leased_content_stays() -> None:
    async with stored() as site:
        await release(site, "v1.70.0", [await image(site, "listed")])
        leased = await image(site, "leased")
        await site.store.leases.take("somebody", [leased], seconds=10 * DAY)
        assert await collect(site, expected("v1.70.0")) == set()
        await site.store.leases.drop("somebody")
        assert leased in await collect(site, expected("v1.70.0"))


async def test_without_expected_images_nothing_goes() -> None:
    async with stored() as site:
        for number in range(3):
            await release(site, f"v1.{number}.0", [await image(site, f"image {number}")])
        for check in (None, expected()):
            assert await collect(site, check) == set()
        found = await collection(site, None).look()
        assert (found.status()["bytes"], found.kept_back) == (
            0,
            "nothing is removed: the configuration names no expected images",
        )


BROKEN = {
    "no whole archive": b"no archive",
    "packed by zstd": b"\x28\xb5\x2f\xfd",
    "no images_digests.json": layer({"other": b""}),
    "no JSON": layer({"deckhouse/modules/images_digests.json": b"{"}),
    "digests in it": layer({"deckhouse/modules/images_digests.json": listing([])}),
}


@pytest.mark.parametrize(("reason", "body"), list(BROKEN.items()), ids=list(BROKEN))
async def test_a_list_that_cannot_be_read_keeps_all_that_is_untagged(reason: str, body: bytes) -> None:
    async with stored() as site:
        untagged, named = await image(site, "untagged"), await image(site, "named")
        content = (await site.store.contents.manifest(NAME, named)).content
        await site.store.changes.put_manifest(NAME, content, MANIFEST, tag=named.removeprefix("sha256:"))
        old = await release(site, "v1.69.0", [untagged])
        await site.push_image(body, tag="v1.70.0")
        site.clock.pass_(2 * DAY)
        made = collection(site, expected("v1.70.0"))
        went = set((await made.collect()).digests)
        assert old in went, "a tag that is too old is certain"
        assert not {untagged, named} & went
        assert named.removeprefix("sha256:") in await site.store.contents.tags(NAME)
        back = made.status()["keptBack"]
        assert f"{NAME}:v1.70.0" in back
        assert reason in back


async def test_a_release_that_is_not_whole_keeps_all_that_is_untagged() -> None:
    async with stored() as site:
        untagged = await image(site, "untagged")
        body = layer({"deckhouse/modules/images_digests.json": listing([])})
        content = build.manifest(build.config("x"), [body])
        await site.store.changes.put_manifest(NAME, content, MANIFEST, tag="v1.70.0", complete=False)
        assert untagged not in await collect(site, expected("v1.70.0"))


async def test_the_list_of_each_platform_counts_and_upper_layers_hide_lower_ones() -> None:
    async with stored() as site:
        images = [await image(site, label) for label in ("hidden", "amd64", "arm64")]
        path = "deckhouse/modules/images_digests.json"
        children = []
        for number, one in enumerate(images[1:]):
            layers = [layer({path: listing([images[0]])}), layer({path: listing([one])})]
            child = await site.push_image(*layers, label=f"platform {number}")
            children.append((await site.store.contents.manifest(NAME, child)).content)
        await site.store.changes.put_manifest(NAME, build.index(*children), INDEX, tag="v1.70.0")
        went = await collect(site, expected("v1.70.0"))
        assert images[0] in went
        assert not set(images[1:]) & went


async def test_the_status_tells_what_would_go_first() -> None:
    async with stored() as site:
        for number in range(12):
            await release(site, f"v1.{number}.0", [await image(site, f"image {number}")])
        site.clock.pass_(2 * DAY)
        told: list[None] = []
        made = Collection(
            site.store,
            NAME,
            expected("v1.11.0"),
            keep_releases=1,
            modules={},
            changed=lambda: told.append(None),
        )
        status = (await made.look()).status()
        before = site.on_disk()
        assert (status["tags"], status["keptBack"], len(status["names"])) == (11, "", NAMES_SHOWN)
        assert status["names"][0] == f"{NAME}:v1.0.0"
        await made.look()
        assert len(told) == 1, "the same again is no news"
        sizes = {one: site.file(one).stat().st_size for one in before}
        removed = await made.collect()
        assert status["blobs"] == len(removed.digests) == len(before - site.on_disk())
        assert status["bytes"] == removed.size == sum(sizes[one] for one in removed.digests)


async def test_what_is_about_a_kept_image_stays() -> None:
    async with stored() as site:
        kept = await image(site, "kept")
        await release(site, "v1.70.0", [kept])
        body = (await site.store.contents.manifest(NAME, kept)).content
        await site.push_blob(b"{}")
        document = json.loads(build.manifest(b"{}", [], subject=build.descriptor(body, MANIFEST)))
        signature = await site.store.changes.put_manifest(NAME, json.dumps(document).encode(), MANIFEST_TYPES[0])
        assert signature not in await collect(site, expected("v1.70.0"))
        assert digest(b"{}") in site.on_disk()
