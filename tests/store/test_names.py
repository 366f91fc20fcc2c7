"""Manifests, tags and repositories: pushed, listed, deleted, referred to."""

from __future__ import annotations

import asyncio
import json

import pytest

from registry_gateway.store.errors import ContentMissingError, DigestMismatchError, InvalidNameError, UnknownError
from registry_gateway.store.store import Store
from tests.store import site as build
from tests.store.site import INDEX, MANIFEST, NAME, TAG, Site, digest

BODY = bytes(range(256)) * 1024


async def test_a_manifest_needs_what_it_names_in_its_own_repository(site: Site) -> None:
    settings = build.config()
    await site.push_blob(settings)
    await site.push_blob(BODY, "another")
    body = build.manifest(settings, [BODY])
    with pytest.raises(ContentMissingError) as refused:
        await site.store.changes.put_manifest(NAME, body, MANIFEST, tag="v1")
    assert refused.value.digests == (digest(BODY),)
    with pytest.raises(UnknownError):
        await site.store.contents.manifest(NAME, "v1")
    assert digest(body) not in site.on_disk()
    assert site.leftovers() == []


async def test_a_manifest_of_another_digest_is_refused(site: Site) -> None:
    settings = build.config()
    await site.push_blob(settings)
    body = build.manifest(settings, [])
    for algorithm in ("sha256", "sha512"):
        with pytest.raises(DigestMismatchError):
            await site.store.changes.put_manifest(NAME, body, MANIFEST, digest=digest(b"other", algorithm))
    wanted = digest(body, "sha512")
    assert await site.store.changes.put_manifest(NAME, body, MANIFEST, digest=wanted) == wanted
    assert (await site.store.contents.manifest(NAME, wanted)).content == body


async def test_a_cache_takes_a_manifest_before_its_layers(site: Site) -> None:
    body = build.manifest(build.config(), [BODY])
    await site.store.changes.put_manifest(NAME, body, MANIFEST, tag="v1", complete=False)
    assert (await site.store.contents.manifest(NAME, "v1")).content == body
    assert not await site.has(digest(BODY))
    await site.push_blob(BODY, "another")
    assert await site.has(digest(BODY)), "what a manifest of the repository names is in the repository"


async def test_what_an_image_lacks_is_listed_down_to_its_layers(site: Site) -> None:
    settings = build.config()
    whole, child = build.manifest(settings, []), build.manifest(settings, [BODY, b"other"])
    await site.store.changes.put_manifest(NAME, build.index(whole, child), INDEX, tag="v1", complete=False)
    assert await site.store.contents.missing(NAME, "v1") == sorted([digest(whole), digest(child)])
    for body in (whole, child):
        await site.store.changes.put_manifest(NAME, body, MANIFEST, complete=False)
    assert await site.store.contents.missing(NAME, "v1") == sorted([digest(settings), digest(BODY), digest(b"other")])
    for body in (settings, BODY, b"other"):
        await site.push_blob(body)
    assert await site.store.contents.missing(NAME, "v1") == []


async def test_a_tag_tells_when_it_was_last_found_to_hold(site: Site) -> None:
    image, start = await site.push_image(BODY, tag="v1"), site.clock()
    site.clock.pass_(60)
    assert await site.store.contents.tag(NAME, "v1") == (image, start)
    await site.store.changes.confirm_tag(NAME, "v1")
    assert await site.store.contents.tag(NAME, "v1") == (image, start + 60)
    for call in (site.store.changes.confirm_tag(NAME, "v2"), site.store.contents.tag(NAME, "v2")):
        with pytest.raises(UnknownError):
            await call


async def test_a_tag_moves_and_the_old_manifest_stays(site: Site) -> None:
    first, second = await site.push_image(b"1", tag="v1"), await site.push_image(b"2", tag="v1", label="other")
    assert (await site.store.contents.manifest(NAME, "v1")).digest == second
    assert (await site.store.contents.manifest(NAME, first)).digest == first
    assert await site.store.contents.tags(NAME) == ["v1"]


async def test_parallel_pushes_of_one_tag_leave_one_of_them_in_index_and_layout(site: Site) -> None:
    async with await Store.open(site.folder, now=site.clock) as other:
        sites = [site, Site(site.folder, other, site.clock)]
        pushed = await asyncio.gather(
            *(sites[number % 2].push_image(b"same", tag="v1", label=str(number)) for number in range(8))
        )
    now = (await site.store.contents.manifest(NAME, "v1")).digest
    document = json.loads((site.layout() / "index.json").read_bytes())
    assert now in pushed
    assert [one["digest"] for one in document["manifests"] if TAG in one["annotations"]] == [now]
    assert {one["digest"] for one in document["manifests"]} == set(pushed)


async def test_lists_are_in_order_and_by_pages(site: Site) -> None:
    for name in ("b/two", "a"):
        for tag in ("v10", "v1", "v2", "V0"):
            await site.push_image(b"x", tag=tag, name=name)
    assert await site.store.contents.repositories() == ["a", "b/two"]
    assert await site.store.contents.repositories(after="a", limit=1) == ["b/two"]
    assert await site.store.contents.tags("a") == ["V0", "v1", "v10", "v2"]
    assert await site.store.contents.tags("a", after="v1", limit=1) == ["v10"]
    with pytest.raises(UnknownError):
        await site.store.contents.tags("nowhere")


async def test_deletions_are_seen_at_once_and_content_stays_until_collected(site: Site) -> None:
    image = await site.push_image(BODY, tag="v1")
    body = (await site.store.contents.manifest(NAME, "v1")).content
    await site.store.changes.put_manifest(NAME, body, MANIFEST, tag="v2")
    await site.store.changes.delete_tag(NAME, "v1")
    assert await site.store.contents.tags(NAME) == ["v2"]
    await site.store.changes.delete_manifest(NAME, image)
    assert await site.store.contents.tags(NAME) == []
    assert json.loads((site.layout() / "index.json").read_bytes())["manifests"] == []
    await site.store.changes.delete_blob(NAME, digest(BODY))
    assert not await site.has(digest(BODY))
    assert digest(BODY) in site.on_disk()
    for call in (
        site.store.changes.delete_tag(NAME, "v1"),
        site.store.changes.delete_manifest(NAME, image),
        site.store.changes.delete_blob(NAME, digest(BODY)),
        site.store.changes.delete_tag("nowhere", "v1"),
    ):
        with pytest.raises(UnknownError):
            await call


async def test_referrers_are_found_by_their_subject(site: Site) -> None:
    image = await site.push_image(BODY, tag="v1")
    settings = build.config("signature")
    await site.push_blob(settings)
    subject = {"mediaType": MANIFEST, "digest": image, "size": 1}
    body = build.manifest(settings, [], subject=subject, annotations={"a": "b"}, artifactType="application/x.sig")
    about = await site.store.changes.put_manifest(NAME, body, MANIFEST)
    (found,) = await site.store.contents.referrers(NAME, image)
    assert (found.digest, found.media_type, found.size) == (about, MANIFEST, len(body))
    assert (found.artifact_type, json.loads(found.annotations)) == ("application/x.sig", {"a": "b"})
    assert await site.store.contents.referrers(NAME, about) == []


@pytest.mark.parametrize("name", ["", "/", "..", "a/../b", "A", "a//b", "a+b", "x" * 256, "a/", "a\x00"])
async def test_what_is_no_name_never_becomes_a_path(site: Site, name: str) -> None:
    settings = build.config()
    await site.push_blob(settings)
    with pytest.raises(InvalidNameError):
        await site.store.uploads.start(name)
    with pytest.raises(InvalidNameError):
        await site.store.fetches.claim(name, digest(BODY))
    with pytest.raises(InvalidNameError):
        await site.store.changes.mount(name, digest(settings), source=NAME)
    with pytest.raises(InvalidNameError):
        await site.store.changes.put_manifest(name, build.manifest(settings, []), MANIFEST, complete=False)


@pytest.mark.parametrize("tag", ["..", "a/b", "-x", "x" * 129])
async def test_what_is_no_tag_is_refused(site: Site, tag: str) -> None:
    with pytest.raises(InvalidNameError):
        await site.push_image(BODY, tag=tag)


async def test_a_repository_named_like_files_of_a_layout_is_like_any_other(site: Site) -> None:
    names = ["a", "a/blobs", "a/blobs/sha256", "a/index.json", "a/oci-layout"]
    for name in names:
        await site.push_image(BODY, tag="v1", name=name)
    assert await site.store.contents.repositories() == names
    for name in names:
        assert await site.read(digest(BODY), name) == BODY
