"""Pushing blobs: every way that the spec has, and what is wrong with a request."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.material import Material
from tests.gateway.pushing import REPOSITORY, UPLOADS, Pushing, pushing
from tests.store.site import NAME, digest

BLOB = bytes(range(256)) * 1000
DIGEST = digest(BLOB)
OTHER = digest(b"other")


@pytest.fixture
async def push(material: Material, folder: Path) -> AsyncIterator[Pushing]:
    async with pushing(material, folder, replica="master-0.example", blob_limit=1_000_000) as served:
        yield served


async def in_pieces() -> AsyncIterator[bytes]:
    for start in range(0, len(BLOB), 50_000):
        yield BLOB[start : start + 50_000]


async def test_a_blob_in_two_requests_is_stored(push: Pushing) -> None:
    done = await push.finish(await push.begin(), DIGEST, BLOB)
    assert (done.status, done.headers["Location"]) == (201, f"{REPOSITORY}/blobs/{DIGEST}")
    assert done.headers["Docker-Content-Digest"] == DIGEST
    assert done.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert (push.stored(DIGEST), push.leftovers()) == (BLOB, [])


async def test_a_blob_in_one_request_is_stored(push: Pushing) -> None:
    done = await push.ask("POST", f"{UPLOADS}?digest={DIGEST.replace(':', '%3A')}", data=BLOB)
    assert (done.status, done.headers["Location"]) == (201, f"{REPOSITORY}/blobs/{DIGEST}")
    assert (push.stored(DIGEST), push.leftovers()) == (BLOB, [])


async def test_an_empty_blob_is_stored(push: Pushing) -> None:
    assert (await push.finish(await push.begin(), digest(b""))).status == 201
    assert push.stored(digest(b"")) == b""


async def test_a_stream_of_unknown_length_is_stored(push: Pushing) -> None:
    location = await push.begin()
    part = await push.ask("PATCH", location, data=in_pieces())
    assert (part.status, part.headers["Range"]) == (202, f"0-{len(BLOB) - 1}")
    assert (await push.finish(part.headers["Location"], DIGEST)).status == 201
    assert push.stored(DIGEST) == BLOB


async def test_sha512_is_a_digest_like_any_other(push: Pushing) -> None:
    wanted = "sha512:" + hashlib.sha512(BLOB).hexdigest()
    assert (await push.finish(await push.begin(), wanted, BLOB)).status == 201
    assert push.stored(wanted) == BLOB


async def test_chunks_in_order_become_a_blob_and_the_status_tells_how_far_it_is(push: Pushing) -> None:
    location = await push.begin()
    assert (await push.ask("GET", location)).headers["Range"] == "0-0"
    first = await push.chunk(location, BLOB[:100_000], "0-99999")
    assert (first.status, first.headers["Range"], first.headers["Location"]) == (202, "0-99999", location)
    status = await push.ask("GET", location)
    assert (status.status, status.headers["Range"], status.headers["Location"]) == (204, "0-99999", location)
    done = await push.finish(location, DIGEST, BLOB[100_000:], **{"Content-Range": f"100000-{len(BLOB) - 1}"})
    assert (done.status, push.stored(DIGEST), push.leftovers()) == (201, BLOB, [])


@pytest.mark.parametrize("content_range", ["200000-209999", "0-9999", "99999-109998"])
async def test_a_chunk_that_starts_elsewhere_is_told_where_to_go_on(push: Pushing, content_range: str) -> None:
    location = await push.begin()
    await push.chunk(location, BLOB[:100_000], "0-99999")
    for refused in (
        await push.chunk(location, BLOB[:10_000], content_range),
        await push.finish(location, DIGEST, BLOB[:10_000], **{"Content-Range": content_range}),
    ):
        assert (refused.status, refused.code) == (416, "BLOB_UPLOAD_INVALID")
        assert (refused.headers["Range"], refused.headers["Location"]) == ("0-99999", location)
        assert "100000" in refused.message
    assert (await push.finish(location, DIGEST, BLOB[100_000:])).status == 201


@pytest.mark.parametrize("content_range", ["bytes 0-9/10", "0-", "9-0", "a-b", "0-99999999999999999999"])
async def test_a_malformed_content_range_is_refused(push: Pushing, content_range: str) -> None:
    refused = await push.chunk(await push.begin(), BLOB[:10], content_range)
    assert (refused.status, refused.code) == (400, "BLOB_UPLOAD_INVALID")
    assert "Content-Range" in refused.message


async def test_a_chunk_whose_headers_contradict_each_other_is_refused(push: Pushing) -> None:
    location = await push.begin()
    refused = await push.chunk(location, BLOB[:10], "0-10")
    assert (refused.status, refused.code) == (400, "SIZE_INVALID")
    assert (await push.chunk(location, BLOB[:10], "0-9")).status == 202, "nothing of it was taken"


@pytest.mark.parametrize("announced", [len(BLOB) - 1, 1])
async def test_a_stream_longer_than_its_content_range_is_refused(push: Pushing, announced: int) -> None:
    location = await push.begin()
    refused = await push.ask("PATCH", location, data=in_pieces(), headers={"Content-Range": f"0-{announced - 1}"})
    assert (refused.status, refused.code) == (400, "SIZE_INVALID")
    last = int((await push.ask("GET", location)).headers["Range"].removeprefix("0-"))
    assert last < announced


async def test_a_stream_shorter_than_its_content_range_is_refused_and_can_go_on(push: Pushing) -> None:
    location = await push.begin()
    refused = await push.ask("PATCH", location, data=in_pieces(), headers={"Content-Range": f"0-{len(BLOB)}"})
    assert (refused.status, refused.code) == (400, "SIZE_INVALID")
    assert (await push.ask("GET", location)).headers["Range"] == f"0-{len(BLOB) - 1}"
    assert (await push.finish(location, DIGEST)).status == 201


async def test_content_that_is_not_what_its_digest_says_is_not_stored(push: Pushing) -> None:
    location = await push.begin()
    for refused in (
        await push.finish(location, OTHER, BLOB),
        await push.ask("POST", f"{UPLOADS}?digest={OTHER}", data=BLOB),
    ):
        assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
    assert (await push.ask("GET", location)).code == "BLOB_UPLOAD_UNKNOWN", "it cannot become right by going on"
    assert (push.stored(OTHER), push.stored(DIGEST), push.leftovers()) == (None, None, [])


@pytest.mark.parametrize("wanted", ["", "sha256:short", "md5:" + "0" * 32, "nonsense"])
async def test_what_is_no_digest_is_refused_before_the_body_is_read(push: Pushing, wanted: str) -> None:
    location = await push.begin()
    refused = await push.finish(location, wanted, BLOB[:100])
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
    assert (await push.finish(location, DIGEST, BLOB)).status == 201


async def test_a_blob_beyond_the_limit_is_refused(push: Pushing) -> None:
    large = bytes(1_000_001)
    refused = await push.finish(await push.begin(), digest(large), large)
    assert (refused.status, refused.code) == (413, "SIZE_INVALID")
    refused = await push.ask("POST", f"{UPLOADS}?digest={digest(large)}", data=large)
    assert (refused.status, refused.code) == (413, "SIZE_INVALID")
    assert push.stored(digest(large)) is None
    assert len(push.leftovers()) == 1, "the upload that has a name can be cancelled, the other one is gone"


async def test_a_cancelled_upload_is_unknown(push: Pushing) -> None:
    location = await push.begin()
    await push.chunk(location, BLOB)
    assert (await push.ask("DELETE", location)).status == 204
    assert push.leftovers() == []
    for again in (
        await push.ask("DELETE", location),
        await push.ask("GET", location),
        await push.chunk(location, BLOB[:10]),
        await push.finish(location, DIGEST),
    ):
        assert (again.status, again.code) == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("session", ["x", "...", "master-0.example." + "0" * 32, "master-1." + "0" * 32, "0" * 32])
async def test_a_session_that_never_was_is_unknown(push: Pushing, session: str) -> None:
    unknown = await push.ask("GET", UPLOADS + session)
    assert (unknown.status, unknown.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert "start it again" in unknown.message


async def test_a_session_belongs_to_its_repository_and_names_the_replica(push: Pushing) -> None:
    location = await push.begin()
    session = location.rpartition("/")[2]
    assert session.startswith("master-0.example.")
    elsewhere = await push.ask("GET", f"{REPOSITORY}/other/blobs/uploads/{session}")
    assert (elsewhere.status, elsewhere.code) == (404, "BLOB_UPLOAD_UNKNOWN")


async def test_a_blob_of_another_repository_is_mounted(push: Pushing) -> None:
    await push.blob(BLOB, f"{NAME}/modules/a")
    mounted = await push.ask("POST", UPLOADS, params={"mount": DIGEST, "from": f"{NAME}/modules/a", "origin": "x"})
    assert (mounted.status, mounted.headers["Location"]) == (201, f"{REPOSITORY}/blobs/{DIGEST}")
    assert (await push.store.contents.has_blob(NAME, DIGEST)).size == len(BLOB)


@pytest.mark.parametrize("source", [f"{NAME}/modules/b", "elsewhere", "Not//A-Name", "", None])
async def test_what_cannot_be_mounted_becomes_an_upload(push: Pushing, source: str | None) -> None:
    await push.blob(BLOB, f"{NAME}/modules/a")
    begun = await push.ask(
        "POST", UPLOADS, params={"mount": DIGEST, **({"from": source} if source is not None else {})}
    )
    assert begun.status == 202
    assert (await push.finish(begun.headers["Location"], DIGEST, BLOB)).status == 201


async def test_a_deleted_blob_is_unknown(push: Pushing) -> None:
    await push.blob(BLOB)
    assert (await push.ask("DELETE", f"{REPOSITORY}/blobs/{DIGEST}")).status == 202
    gone = await push.ask("DELETE", f"{REPOSITORY}/blobs/{DIGEST}")
    assert (gone.status, gone.code) == (404, "BLOB_UNKNOWN")
    gone = await push.ask("DELETE", f"{REPOSITORY}/never/blobs/{DIGEST}")
    assert gone.status == 404


async def test_no_upload_begins_when_the_disk_is_as_full_as_it_may_be(material: Material, folder: Path) -> None:
    async with pushing(material, folder, min_free=1 << 60) as push:
        for refused in (
            await push.ask("POST", UPLOADS),
            await push.ask("POST", f"{UPLOADS}?digest={DIGEST}", data=b""),
        ):
            assert (refused.status, refused.code) == (507, "UNAVAILABLE")
        assert push.leftovers() == []


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", UPLOADS, "POST"),
        ("GET", UPLOADS, "POST"),
        ("POST", UPLOADS + "x", "GET, PATCH, PUT, DELETE"),
        ("PUT", f"{REPOSITORY}/blobs/{DIGEST}", "GET, HEAD, DELETE"),
        ("POST", f"{REPOSITORY}/manifests/v1", "GET, HEAD, PUT, DELETE"),
        ("DELETE", f"{REPOSITORY}/tags/list", "GET, HEAD"),
        ("PUT", "/v2/", "GET, HEAD"),
        ("POST", "/v2/_catalog", "GET, HEAD"),
    ],
)
async def test_a_method_that_an_endpoint_has_not_is_refused(push: Pushing, method: str, path: str, allow: str) -> None:
    refused = await push.ask(method, path)
    assert (refused.status, refused.code, refused.headers["Allow"]) == (405, "UNSUPPORTED", allow)
