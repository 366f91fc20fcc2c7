"""Content that changes on disk: found by scrub and by reading, never served after that, healed by what comes anew."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from registry_gateway.store import reading
from registry_gateway.store.errors import BrokenError, UnknownError
from registry_gateway.store.scrub import Verdict
from tests.store import site as build
from tests.store.site import MANIFEST, NAME, Site, digest

LAYER = b"layer" * 10_000


def flip(site: Site, wanted: str) -> None:
    """Change one bit in the middle, as a disk does: owner, mode and length stay."""
    path = site.file(wanted)
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.chmod(0o640)
    path.write_bytes(body)
    path.chmod(0o440)


async def scrubbed(site: Site, cursor: int = 0) -> dict[str, Verdict]:
    found = site.store.upkeep.scrub(rate=10**9, cursor=cursor)
    return {one.digest: one.verdict async for one in found if one.verdict is not Verdict.GOOD}


async def test_scrub_finds_what_is_wrong_and_puts_it_aside(site: Site) -> None:
    image = await site.push_image(LAYER, b"good", tag="v1")
    assert await scrubbed(site) == {}
    flip(site, digest(LAYER))
    flip(site, image)
    site.file(digest(b"good")).unlink()
    wrong = {digest(LAYER): Verdict.WRONG, image: Verdict.WRONG, digest(b"good"): Verdict.MISSING}
    assert await scrubbed(site) == wrong
    assert await scrubbed(site) == {}
    for wanted in (LAYER, b"good"):
        with pytest.raises(UnknownError):
            await site.store.contents.blob(NAME, digest(wanted))
    kept = sorted(path.name for path in (site.folder / "quarantine").iterdir())
    assert kept == sorted(one.replace(":", "-") for one in (digest(LAYER), image))


async def test_names_stay_and_what_comes_anew_heals_them(site: Site) -> None:
    image = await site.push_image(LAYER, tag="v1")
    flip(site, digest(LAYER))
    flip(site, image)
    await scrubbed(site)
    assert await site.store.contents.tags(NAME) == ["v1"]
    claim = await site.store.fetches.claim(NAME, digest(LAYER))
    assert claim is not None
    async with claim:
        await claim.begin(len(LAYER))
        await claim.write(LAYER)
        await claim.commit()
    body = build.manifest(build.config("v1"), [LAYER])
    assert await site.store.changes.put_manifest(NAME, body, MANIFEST, digest=image) == image
    assert (await site.store.contents.manifest(NAME, "v1")).content == body
    assert await site.read(digest(LAYER)) == LAYER
    assert await scrubbed(site) == {}


async def test_a_damaged_manifest_is_never_served(site: Site) -> None:
    image = await site.push_image(LAYER, tag="v1")
    flip(site, image)
    for reference in ("v1", image):
        with pytest.raises(UnknownError):
            await site.store.contents.manifest(NAME, reference)
    assert image not in site.on_disk()


async def test_a_blob_that_is_verified_as_it_is_read_is_never_served_damaged(site: Site) -> None:
    await site.push_blob(LAYER)
    async with await site.store.contents.blob(NAME, digest(LAYER), verify=True) as blob:
        assert b"".join([piece async for piece in blob.pieces()]) == LAYER
    flip(site, digest(LAYER))
    for _ in range(2):
        with pytest.raises(UnknownError):
            await site.store.contents.blob(NAME, digest(LAYER), verify=True)
    assert digest(LAYER) not in site.on_disk()


async def test_a_file_that_is_gone_is_unknown_and_can_be_pushed_again(site: Site) -> None:
    await site.push_blob(LAYER)
    site.file(digest(LAYER)).unlink()
    with pytest.raises(UnknownError):
        await site.store.contents.blob(NAME, digest(LAYER))
    assert not await site.has(digest(LAYER))
    await site.push_blob(LAYER)
    assert await site.read(digest(LAYER)) == LAYER


async def test_a_file_that_was_cut_does_not_end_cleanly_and_is_replaced_by_a_push(site: Site) -> None:
    await site.push_blob(LAYER)
    site.file(digest(LAYER)).chmod(0o640)
    site.file(digest(LAYER)).write_bytes(LAYER[:-1])
    with pytest.raises(BrokenError):
        await site.read(digest(LAYER))
    assert not await site.has(digest(LAYER)), "whoever asks now gets it from elsewhere"
    await site.push_blob(LAYER)
    assert await site.read(digest(LAYER)) == LAYER


async def test_scrub_puts_aside_what_the_disk_does_not_give_and_goes_on(site: Site) -> None:
    image = await site.push_image(LAYER, b"good", b"last", tag="v1")
    site.lose(digest(LAYER))
    site.lose(image)
    flip(site, digest(b"last"))
    assert await scrubbed(site) == dict.fromkeys([digest(LAYER), image, digest(b"last")], Verdict.WRONG)
    assert await scrubbed(site) == {}
    assert len(list((site.folder / "quarantine").iterdir())) == 3
    await site.push_image(LAYER, b"good", b"last", tag="v1")
    assert await site.read(digest(LAYER)) == LAYER
    assert await site.store.contents.missing(NAME, "v1") == []


async def test_a_piece_that_can_be_read_at_the_second_try_is_good(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.push_blob(LAYER)
    pread = os.pread
    failed: list[int] = []

    def once(descriptor: int, length: int, offset: int) -> bytes:
        if not failed:
            failed.append(offset)
            raise OSError(errno.EIO, "for a moment")
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", once)
    assert (await scrubbed(site), failed) == ({}, [0])


async def test_what_cannot_even_be_opened_is_put_aside(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = [b"scrubbed", b"read", b"good"]
    for body in bodies:
        await site.push_blob(body)
    lost = {site.file(digest(body)) for body in bodies[:2]}
    opened = os.open

    def open_(path: Path, *args: int) -> int:
        if path in lost:
            raise OSError(errno.EUCLEAN, "its inode is damaged")
        return opened(path, *args)

    monkeypatch.setattr(os, "open", open_)
    with pytest.raises(UnknownError):
        await site.store.contents.blob(NAME, digest(b"read"))
    assert await scrubbed(site) == {digest(b"scrubbed"): Verdict.WRONG}
    assert site.on_disk() == {digest(b"good")}


async def test_a_lack_of_descriptors_is_no_damage(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.push_blob(LAYER)
    with monkeypatch.context() as patch:
        patch.setattr(reading, "open_file", missing_descriptors)
        for work in (site.read(digest(LAYER)), scrubbed(site)):
            with pytest.raises(BrokenError):
                await work
    assert await site.read(digest(LAYER)) == LAYER


def missing_descriptors(path: Path) -> None:
    raise OSError(errno.EMFILE, "too many open files", path)


async def test_what_the_disk_does_not_give_is_gone_for_who_reads_and_heals(site: Site) -> None:
    image = await site.push_image(LAYER, tag="v1")
    site.lose(image)
    site.lose(digest(LAYER))
    with pytest.raises(UnknownError):
        await site.store.contents.manifest(NAME, "v1")
    with pytest.raises(BrokenError):
        await site.read(digest(LAYER))
    with pytest.raises(UnknownError):
        await site.store.contents.blob(NAME, digest(LAYER))
    assert await site.push_image(LAYER, tag="v1") == image
    assert (await site.store.contents.manifest(NAME, "v1")).digest == image
    assert await site.read(digest(LAYER)) == LAYER


async def test_a_lost_blob_that_is_verified_as_it_is_read_is_put_aside(site: Site) -> None:
    await site.push_blob(LAYER)
    site.lose(digest(LAYER))
    for _ in range(2):
        with pytest.raises(UnknownError):
            await site.store.contents.blob(NAME, digest(LAYER), verify=True)
    assert digest(LAYER) not in site.on_disk()


async def test_scrub_keeps_to_its_rate_and_goes_on_where_it_was(site: Site) -> None:
    for number in range(4):
        await site.push_blob(bytes([number]) * 100_000)
    loop = asyncio.get_running_loop()
    started = loop.time()
    findings = [one async for one in site.store.upkeep.scrub(rate=1_000_000)]
    assert loop.time() - started > 0.35
    assert (len(findings), sum(one.size for one in findings)) == (4, 400_000)
    rest = [one async for one in site.store.upkeep.scrub(rate=10**9, cursor=findings[1].cursor)]
    assert [one.digest for one in rest] == [one.digest for one in findings[2:]]
