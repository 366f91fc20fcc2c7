"""Pushing manifests, and deleting manifests and tags."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from registry_gateway.store.errors import UnknownError
from tests.gateway.material import Material
from tests.gateway.pushing import REPOSITORY, Pushing, pushing
from tests.store import site as build
from tests.store.site import INDEX, MANIFEST, NAME, digest

CONFIG, LAYER = build.config("v1"), b"layer" * 1000
IMAGE = build.manifest(CONFIG, [LAYER])
LIMIT = 4 * 1024 * 1024


@pytest.fixture
async def push(material: Material, folder: Path) -> AsyncIterator[Pushing]:
    async with pushing(material, folder) as served:
        yield served


async def parts(push: Pushing, name: str = NAME) -> None:
    for blob in (CONFIG, LAYER):
        await push.blob(blob, name)


def padded(size: int) -> bytes:
    """A manifest of exactly `size` bytes."""
    bare = len(build.manifest(CONFIG, [LAYER], annotations={"a": ""}))
    return build.manifest(CONFIG, [LAYER], annotations={"a": "x" * (size - bare)})


@pytest.mark.parametrize("by_tag", [True, False])
async def test_a_manifest_is_stored_by_tag_or_digest(push: Pushing, by_tag: bool) -> None:
    await parts(push)
    done = await push.manifest(IMAGE, "v1" if by_tag else digest(IMAGE))
    assert (done.status, done.headers["Docker-Content-Digest"]) == (201, digest(IMAGE))
    assert done.headers["Location"] == f"{REPOSITORY}/manifests/{digest(IMAGE)}"
    assert "OCI-Subject" not in done.headers
    found = await push.store.contents.manifest(NAME, digest(IMAGE))
    assert (found.content, found.media_type) == (IMAGE, MANIFEST)
    assert await push.store.contents.tags(NAME) == (["v1"] if by_tag else [])


async def test_parameters_of_the_media_type_do_not_matter(push: Pushing) -> None:
    await parts(push)
    assert (await push.manifest(IMAGE, "v1", kind=f"{MANIFEST}; charset=utf-8")).status == 201


async def test_an_index_is_stored_when_its_manifests_are(push: Pushing) -> None:
    await parts(push)
    index = build.index(IMAGE)
    early = await push.manifest(index, "v1", kind=INDEX)
    assert (early.status, early.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert digest(IMAGE) in early.message
    assert (await push.manifest(IMAGE, digest(IMAGE))).status == 201
    assert (await push.manifest(index, "v1", kind=INDEX)).status == 201
    assert (await push.store.contents.manifest(NAME, "v1")).media_type == INDEX


async def test_a_manifest_that_names_missing_blobs_is_refused_and_says_which(push: Pushing) -> None:
    await push.blob(CONFIG)
    await parts(push, f"{NAME}/other")
    refused = await push.manifest(IMAGE, "v1")
    assert (refused.status, refused.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert digest(LAYER) in refused.message
    assert digest(CONFIG) not in refused.message
    with pytest.raises(UnknownError):
        await push.store.contents.tag(NAME, "v1")
    assert push.stored(digest(IMAGE)) is None


async def test_a_manifest_with_a_subject_is_found_by_it(push: Pushing) -> None:
    await parts(push)
    await push.manifest(IMAGE, "v1")
    subject = build.descriptor(IMAGE, MANIFEST)
    about = build.manifest(CONFIG, [], subject=subject, artifactType="application/x.signature")
    done = await push.manifest(about, digest(about))
    assert (done.status, done.headers["OCI-Subject"]) == (201, digest(IMAGE))
    [referrer] = await push.store.contents.referrers(NAME, digest(IMAGE))
    assert (referrer.digest, referrer.artifact_type) == (digest(about), "application/x.signature")


async def test_a_manifest_about_one_that_is_not_here_yet_is_stored(push: Pushing) -> None:
    await parts(push)
    about = build.manifest(CONFIG, [], subject=build.descriptor(IMAGE, MANIFEST))
    assert (await push.manifest(about, digest(about))).headers["OCI-Subject"] == digest(IMAGE)


async def test_another_digest_than_the_contents_is_refused(push: Pushing) -> None:
    await parts(push)
    refused = await push.manifest(IMAGE, digest(b"other"))
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
    refused = await push.manifest(IMAGE, "md5:" + "0" * 32)
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
    assert push.stored(digest(IMAGE)) is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", MANIFEST),
        (b"no json", MANIFEST),
        (b"[]", MANIFEST),
        (json.dumps({"schemaVersion": 1}).encode(), MANIFEST),
        (IMAGE, INDEX),
        (IMAGE, "application/octet-stream"),
        (IMAGE.replace(b'"layers": [{', b'"layers": [1, {'), MANIFEST),
    ],
)
async def test_what_is_no_manifest_is_refused(push: Pushing, body: bytes, kind: str) -> None:
    await parts(push)
    refused = await push.manifest(body, "v1", kind=kind)
    assert (refused.status, refused.code) == (400, "MANIFEST_INVALID")
    assert refused.message


async def test_a_manifest_may_have_4_mib_and_no_byte_more(push: Pushing) -> None:
    await parts(push)
    assert (await push.manifest(padded(LIMIT), "largest")).status == 201
    refused = await push.manifest(padded(LIMIT + 1), "v1")
    assert (refused.status, refused.code) == (413, "MANIFEST_INVALID")

    async def of_unknown_length() -> AsyncIterator[bytes]:
        body = padded(LIMIT + 1)
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    headers = {"Content-Type": MANIFEST}
    refused = await push.ask("PUT", f"{REPOSITORY}/manifests/v1", data=of_unknown_length(), headers=headers)
    assert (refused.status, refused.code) == (413, "MANIFEST_INVALID")
    assert await push.store.contents.tags(NAME) == ["largest"]


async def test_parallel_pushes_of_one_tag_are_all_stored_and_the_tag_is_one_of_them(push: Pushing) -> None:
    await parts(push)
    images = [build.manifest(CONFIG, [LAYER], annotations={"n": str(number)}) for number in range(20)]
    done = await asyncio.gather(*(push.manifest(image, "v1") for image in images))
    assert {one.status for one in done} == {201}
    assert (await push.store.contents.tag(NAME, "v1"))[0] in {digest(image) for image in images}
    for image in images:
        assert (await push.store.contents.manifest(NAME, digest(image))).content == image


async def test_a_deleted_tag_leaves_its_manifest(push: Pushing) -> None:
    await parts(push)
    await push.manifest(IMAGE, "v1")
    assert (await push.ask("DELETE", f"{REPOSITORY}/manifests/v1")).status == 202
    assert (await push.store.contents.manifest(NAME, digest(IMAGE))).content == IMAGE
    gone = await push.ask("DELETE", f"{REPOSITORY}/manifests/v1")
    assert (gone.status, gone.code) == (404, "MANIFEST_UNKNOWN")


async def test_a_deleted_manifest_takes_its_tags_along(push: Pushing) -> None:
    await parts(push)
    await push.manifest(IMAGE, "v1")
    await push.manifest(IMAGE, "v2")
    assert (await push.ask("DELETE", f"{REPOSITORY}/manifests/{digest(IMAGE)}")).status == 202
    assert await push.store.contents.tags(NAME) == []
    gone = await push.ask("DELETE", f"{REPOSITORY}/manifests/{digest(IMAGE)}")
    assert (gone.status, gone.code) == (404, "MANIFEST_UNKNOWN")


async def test_a_blob_that_a_manifest_names_is_not_lost_by_deleting_it(push: Pushing) -> None:
    await parts(push)
    await push.manifest(IMAGE, "v1")
    assert (await push.ask("DELETE", f"{REPOSITORY}/blobs/{digest(LAYER)}")).status == 202
    assert (await push.store.contents.has_blob(NAME, digest(LAYER))).present
