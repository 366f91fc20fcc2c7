"""Collection: old releases go with all that only they need, and nothing else does."""

from __future__ import annotations

import asyncio
import json

from registry_gateway.store.plan import Keep, Plan
from registry_gateway.store.store import Store
from tests.store import site as build
from tests.store.site import DAY, INDEX, MANIFEST, NAME, Site, digest


def newest(*tags: str) -> Keep:
    return Keep(tag=lambda _, tag: tag in tags)


def digests(plan: Plan) -> set[str]:
    return {one.digest for one in plan.content}


async def test_an_old_release_goes_with_all_that_only_it_needs(site: Site) -> None:
    old = await site.push_image(b"shared", b"of the old", tag="v1")
    new = await site.push_image(b"shared", b"of the new", tag="v2")
    site.clock.pass_(DAY)
    plan = await site.store.upkeep.plan(newest("v2"))
    assert digests(plan) == {old, digest(b"of the old"), digest(build.config("v1"))}
    assert [(one.repository, one.tag) for one in plan.tags] == [(NAME, "v1")]
    before = site.on_disk()
    removed = await site.store.upkeep.collect(newest("v2"))
    assert set(removed.digests) == digests(plan) == before - site.on_disk()
    assert (removed.size, removed.busy) == (plan.size, 0)
    assert await site.store.contents.tags(NAME) == ["v2"]
    assert [one["digest"] for one in json.loads((site.layout() / "index.json").read_bytes())["manifests"]] == [new]
    assert await site.read(digest(b"shared")) == b"shared"
    assert digests(await site.store.upkeep.plan(newest("v2"))) == set()


async def test_a_plan_changes_nothing(site: Site) -> None:
    await site.push_image(b"layer", tag="v1")
    site.clock.pass_(DAY)
    before = site.on_disk()
    assert await site.store.upkeep.plan(newest()) == await site.store.upkeep.plan(newest())
    assert (site.on_disk(), await site.store.contents.tags(NAME)) == (before, ["v1"])


async def test_what_is_expected_by_digest_stays_with_all_it_needs_and_what_refers_to_it(site: Site) -> None:
    settings, child = build.config("child"), build.manifest(build.config("child"), [b"layer"])
    for body in (settings, b"layer"):
        await site.push_blob(body)
    await site.store.changes.put_manifest(NAME, child, MANIFEST)
    top = await site.store.changes.put_manifest(NAME, build.index(child), INDEX, tag="release")
    signature = build.manifest(settings, [], subject=build.descriptor(child, MANIFEST))
    await site.store.changes.put_manifest(NAME, signature, MANIFEST)
    await site.push_image(b"not expected", tag="other")
    site.clock.pass_(DAY)
    await site.store.upkeep.collect(Keep(tag=lambda *_: False, digests=[top]))
    kept = {top, digest(child), digest(settings), digest(b"layer"), digest(signature)}
    assert site.on_disk() == kept
    assert await site.store.contents.tags(NAME) == []
    assert (await site.store.contents.manifest(NAME, top)).digest == top


async def test_blobs_wait_for_their_manifest_as_long_as_the_grace_time(site: Site) -> None:
    await site.push_blob(b"early")
    await site.store.upkeep.collect(newest())
    assert site.on_disk() == {digest(b"early")}
    site.clock.pass_(DAY)
    assert await site.has(digest(b"early")), "a client was told that it need not push this"
    await site.store.upkeep.collect(newest())
    assert site.on_disk() == {digest(b"early")}
    site.clock.pass_(DAY)
    await site.store.upkeep.collect(newest())
    assert site.on_disk() == set()
    assert await site.store.contents.repositories() == []
    assert not site.layout().exists()


async def test_a_pull_of_the_manifest_keeps_its_layers_for_the_grace_time(site: Site) -> None:
    image = await site.push_image(b"layer", tag="v1")
    site.clock.pass_(DAY)
    await site.store.contents.manifest(NAME, image)
    await site.store.upkeep.collect(newest())
    assert await site.store.contents.tags(NAME) == []
    assert await site.read(digest(b"layer")) == b"layer"


async def test_leases_keep_what_they_name_until_they_end(site: Site) -> None:
    image = await site.push_image(b"layer", tag="v1")
    await site.store.leases.take("fill", [image], seconds=2 * DAY)
    await site.store.leases.take("pull", [digest(b"to come")], seconds=2 * DAY)
    site.clock.pass_(DAY)
    await site.push_blob(b"to come")
    await site.store.upkeep.collect(newest())
    assert {image, digest(b"layer"), digest(b"to come")} <= site.on_disk()
    await site.store.leases.drop("fill")
    site.clock.pass_(2 * DAY)
    await site.store.upkeep.collect(newest())
    assert site.on_disk() == set()


async def test_what_is_used_after_the_plan_was_made_stays(site: Site) -> None:
    first, second = await site.push_image(b"1", tag="v1"), await site.push_image(b"2", tag="v2")
    body = (await site.store.contents.manifest(NAME, "v2")).content
    site.clock.pass_(DAY)
    plan = await site.store.upkeep.plan(newest())
    await site.store.changes.put_manifest(NAME, body, MANIFEST, tag="v2")  # somebody pushes it again
    removed = await site.store.upkeep.carry_out(plan)
    assert first in removed.digests
    assert await site.store.contents.tags(NAME) == ["v2"]
    assert site.on_disk() == {second, digest(b"2"), digest(build.config("v2"))}
    assert removed.busy > 0


async def test_an_index_that_is_pushed_again_after_the_plan_keeps_its_parts(site: Site) -> None:
    child = await site.push_image(b"layer", label="child")
    body = build.index((await site.store.contents.manifest(NAME, child)).content)
    await site.store.changes.put_manifest(NAME, body, INDEX, tag="v1")
    site.clock.pass_(DAY)
    plan = await site.store.upkeep.plan(newest())
    await site.store.changes.put_manifest(NAME, body, INDEX, tag="v1")
    await site.store.upkeep.carry_out(plan)
    assert (await site.store.contents.manifest(NAME, child)).digest == child


async def test_content_that_is_open_stays_until_it_is_closed(site: Site) -> None:
    await site.push_image(b"layer", tag="v1")
    blob = await site.store.contents.blob(NAME, digest(b"layer"))
    site.clock.pass_(DAY)
    async with await Store.open(site.folder, now=site.clock) as other:
        removed = await other.upkeep.collect(newest())
        assert site.on_disk() == {digest(b"layer")}
        assert removed.busy == 1
        assert [piece async for piece in blob.pieces()] == [b"layer"]
        blob.close()
        await other.upkeep.collect(newest())
    assert site.on_disk() == set()


async def test_pushes_and_pulls_beside_a_collection_lose_nothing(site: Site) -> None:
    for number in range(40):
        await site.push_image(b"base", b"old %d" % number, tag=f"old{number}")
    site.clock.pass_(DAY)
    keep = Keep(tag=lambda _, tag: tag.startswith("new"))

    async def push(number: int) -> None:
        settings, layers = build.config(f"new{number}"), (b"base", b"old %d" % number, b"new %d" % number)
        for body in (settings, *layers):
            if not await site.has(digest(body)):  # what is said to be here is not sent, and must stay
                await site.push_blob(body)
        await site.store.changes.put_manifest(NAME, build.manifest(settings, layers), MANIFEST, tag=f"new{number}")

    async with await Store.open(site.folder, now=site.clock) as other:
        await asyncio.gather(*(push(number) for number in range(20)), other.upkeep.collect(keep))
        await other.upkeep.collect(keep)
        for number in range(20):
            body = json.loads((await other.contents.manifest(NAME, f"new{number}")).content)
            for layer in (body["config"], *body["layers"]):
                async with await other.contents.blob(NAME, layer["digest"], verify=True) as blob:
                    assert blob.size == layer["size"]


async def test_files_without_a_row_are_planned_and_removed(site: Site) -> None:
    await site.push_image(b"layer", tag="v1")
    site.file(digest(b"orphan")).write_bytes(b"orphan")
    plan = await site.store.upkeep.plan(Keep())
    assert plan.orphans == (digest(b"orphan"),)
    await site.store.upkeep.carry_out(plan)
    assert digest(b"orphan") not in site.on_disk()
    assert digest(b"layer") in site.on_disk()
