"""Blobs on their way in: chunks, interruptions, what is refused, and what stays of it."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_gateway.store.errors import (
    BrokenError,
    DigestMismatchError,
    InvalidNameError,
    OffsetMismatchError,
    TooLargeError,
    UploadBusyError,
    UploadUnknownError,
)
from registry_gateway.store.store import Store
from tests.store.site import DAY, NAME, Site, digest
from tests.support.gateway import PACKAGE

BODY = bytes(range(256)) * 1024
ROOT = Path(__file__).parents[2]


async def test_a_blob_in_chunks_is_whole_and_in_the_repository_only(site: Site) -> None:
    upload = await site.store.uploads.start(NAME)
    for start in range(0, len(BODY), 100_000):
        async with await site.store.uploads.resume(NAME, upload, offset=start) as session:
            await session.write(BODY[start : start + 100_000])
            assert await session.offset() == min(start + 100_000, len(BODY))
    assert await site.store.uploads.offset(NAME, upload) == len(BODY)
    async with await site.store.uploads.resume(NAME, upload) as session:
        await session.commit(digest(BODY))
    assert await site.read(digest(BODY)) == BODY
    assert not await site.has(digest(BODY), "another/repository")
    assert site.leftovers() == []
    with pytest.raises(UploadUnknownError):
        await site.store.uploads.offset(NAME, upload)


async def test_an_upload_goes_on_in_another_process(site: Site) -> None:
    upload = await site.store.uploads.start(NAME)
    async with await Store.open(site.folder) as other:
        for number, store in enumerate((site.store, other, site.store, other)):
            part = BODY[number * 65_536 : (number + 1) * 65_536]
            async with await store.uploads.resume(NAME, upload, offset=number * 65_536) as session:
                await session.write(part)
        async with await site.store.uploads.resume(NAME, upload) as session:
            await session.commit(digest(BODY, "sha512"))
        async with await other.contents.blob(NAME, digest(BODY, "sha512")) as blob:
            assert [piece async for piece in blob.pieces(10, 20)] == [BODY[10:20]]


async def test_a_chunk_out_of_order_tells_where_the_upload_stands(site: Site) -> None:
    upload = await site.store.uploads.start(NAME)
    async with await site.store.uploads.resume(NAME, upload, offset=0) as session:
        await session.write(b"12345")
    with pytest.raises(OffsetMismatchError) as refused:
        await site.store.uploads.resume(NAME, upload, offset=3)
    assert refused.value.offset == 5


async def test_two_requests_do_not_write_to_one_upload(site: Site) -> None:
    upload = await site.store.uploads.start(NAME)
    async with await site.store.uploads.resume(NAME, upload), await Store.open(site.folder) as other:
        with pytest.raises(UploadBusyError):
            await other.uploads.resume(NAME, upload)


async def test_an_upload_belongs_to_its_repository(site: Site) -> None:
    upload = await site.store.uploads.start(NAME)
    for name, identity in (("another", upload), (NAME, "0" * 32), (NAME, "../../index.sqlite")):
        with pytest.raises(UploadUnknownError):
            await site.store.uploads.resume(name, identity)


async def test_content_of_another_digest_is_refused_and_nothing_stays(site: Site) -> None:
    upload = await site.store.uploads.start(NAME)
    async with await site.store.uploads.resume(NAME, upload) as session:
        await session.write(BODY)
        with pytest.raises(DigestMismatchError):
            await session.commit(digest(BODY + b"x"))
    assert (site.on_disk(), site.leftovers()) == (set(), [])


async def test_an_upload_that_the_disk_did_not_take_ends_and_is_begun_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await site.store.uploads.start(NAME)
    async with await site.store.uploads.resume(NAME, upload) as session:
        await session.write(BODY)
        monkeypatch.setattr(os, "fsync", fail_once(os.fsync))
        with pytest.raises(BrokenError):
            await session.commit(digest(BODY))
    with pytest.raises(UploadUnknownError):
        await site.store.uploads.offset(NAME, upload)
    with pytest.raises(UploadUnknownError):
        await site.store.uploads.resume(NAME, upload)
    assert (site.leftovers(), site.on_disk()) == ([], set())
    await site.push_blob(BODY)
    assert await site.read(digest(BODY)) == BODY


def fail_once(fsync: Callable[[int], None]) -> Callable[[int], None]:
    """As the kernel does: of a write that failed it tells the next `fsync`, and no later one."""
    left = [OSError(errno.EIO, "the disk did not take it")]

    def sync(descriptor: int) -> None:
        if left:
            raise left.pop()
        fsync(descriptor)

    return sync


async def test_a_cancelled_upload_leaves_nothing(site: Site) -> None:
    upload = await site.store.uploads.start(NAME)
    async with await site.store.uploads.resume(NAME, upload) as session:
        await session.write(BODY)
    await site.store.uploads.cancel(NAME, upload)
    assert site.leftovers() == []
    with pytest.raises(UploadUnknownError):
        await site.store.uploads.resume(NAME, upload)


async def test_uploads_that_rest_too_long_are_ended_and_those_in_use_are_not(site: Site) -> None:
    resting, busy = await site.store.uploads.start(NAME), await site.store.uploads.start(NAME)
    site.clock.pass_(DAY)
    fresh = await site.store.uploads.start(NAME)
    async with await site.store.uploads.resume(NAME, busy):
        assert await site.store.uploads.expire(older=3600) == 1
    assert site.leftovers() == sorted([f"upload-{busy}", f"upload-{fresh}"])
    with pytest.raises(UploadUnknownError):
        await site.store.uploads.resume(NAME, resting)


async def test_a_blob_above_the_limit_is_refused(site: Site) -> None:
    async with await Store.open(site.folder, blob_limit=1000) as small:
        upload = await small.uploads.start(NAME)
        async with await small.uploads.resume(NAME, upload) as session:
            await session.write(b"x" * 1000)
            await session.write(b"x")
            with pytest.raises(TooLargeError):
                await session.offset()
            await session.cancel()
    assert site.leftovers() == []


async def test_the_same_blob_pushed_by_many_at_once_is_stored_once(site: Site) -> None:
    async with await Store.open(site.folder, now=site.clock) as other:
        sites = [site, Site(site.folder, other, site.clock)]
        await asyncio.gather(*(sites[number % 2].push_blob(BODY, f"repository/{number}") for number in range(8)))
    assert site.on_disk() == {digest(BODY)}
    for number in range(8):
        assert await site.read(digest(BODY), f"repository/{number}") == BODY
    assert site.leftovers() == []


async def test_a_push_that_is_cancelled_at_any_moment_is_whole_or_not_there(site: Site) -> None:
    async def finish(number: int, body: bytes) -> None:
        upload = uploads[number]
        async with await site.store.uploads.resume(NAME, upload) as session:
            await session.write(body)
            await session.commit(digest(body))

    bodies = [BODY + bytes([number]) for number in range(30)]
    uploads = [await site.store.uploads.start(NAME) for _ in bodies]
    for number, body in enumerate(bodies):
        task = asyncio.create_task(finish(number, body))
        await asyncio.wait([task], timeout=number / 4000)  # anywhere from its first step to behind its last
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    for number, body in enumerate(bodies):
        stored = digest(body) in site.on_disk()
        assert stored == await site.has(digest(body))
        if not stored:
            await site.store.uploads.cancel(NAME, uploads[number])  # it is not held by anybody any more
    assert site.leftovers() == []


async def test_stored_content_is_read_only(site: Site) -> None:
    await site.push_image(BODY, tag="v1")
    assert {path.stat().st_mode & 0o777 for path in (site.folder / "blobs").glob("*/*")} == {0o440}


async def test_a_blob_is_mounted_from_a_repository_that_has_it(site: Site) -> None:
    await site.push_blob(BODY, "source")
    assert await site.store.changes.mount(NAME, digest(BODY), source="source")
    assert await site.read(digest(BODY)) == BODY
    assert not await site.store.changes.mount("third", digest(BODY), source="nowhere")
    assert not await site.has(digest(BODY), "third")


@pytest.mark.parametrize("wanted", ["sha256:../../etc/passwd", "md5:" + "0" * 32, "sha256:" + "0" * 63, "sha512:0", ""])
async def test_what_is_no_digest_never_becomes_a_path(site: Site, wanted: str) -> None:
    with pytest.raises(InvalidNameError):
        await site.store.fetches.claim(NAME, wanted)
    with pytest.raises(InvalidNameError):
        await site.store.fetches.follow(wanted)
    upload = await site.store.uploads.start(NAME)
    async with await site.store.uploads.resume(NAME, upload) as session:
        with pytest.raises(InvalidNameError):
            await session.commit(wanted)


def test_an_upload_whose_commit_failed_goes_on_or_ends_without_the_rights_of_root(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.ordinary", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
