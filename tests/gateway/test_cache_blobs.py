"""Pulling blobs through the cache: fetched once, verified, served from disk, and what happens when that is not so."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import Callable
from functools import partial

import aiohttp
import pytest

from registry_gateway.limits import LIMITS
from tests.gateway.caching import Cache, caching
from tests.gateway.listening import counted, until
from tests.gateway.material import Material
from tests.gateway.serving import QUICK
from tests.gateway.store import Store as Registry
from tests.support.fault_server import Reply

BODY = bytes(range(256)) * 2048  # 512 KiB
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
PATH = f"blobs/{DIGEST}"


def put(cache: Cache, **reply: object) -> None:
    cache.registry.blob(BODY)
    if reply:
        cache.registry.replies[PATH] = Reply(200, body=BODY, **reply)  # type: ignore[arg-type]


async def broken(cache: Cache, **headers: str) -> bytes:
    """What came before the body broke off."""
    content = bytearray()
    try:
        async with cache.get(f"/{PATH}", headers=headers) as answer:
            async for piece in answer.content.iter_any():
                content += piece
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError):
        return bytes(content)
    raise AssertionError("it ended as if all were well")


async def test_a_second_pull_comes_from_the_store(material: Material) -> None:
    def sent(source: str) -> float:
        return counted("registry_access_bytes_total", direction="out", source=source)

    async with caching(material) as cache:
        put(cache)
        for source in ("upstream", "store"):
            goal = sent(source) + len(BODY)
            async with cache.get(f"/{PATH}") as answer:
                assert await answer.read() == BODY
                assert (answer.status, answer.headers["Docker-Content-Digest"]) == (200, DIGEST)
                assert answer.headers["ETag"] == f'"{DIGEST}"'
            await until(partial(_is, sent, source, goal))
        assert cache.gets(DIGEST) == 1


def _is(sent: Callable[[str], float], source: str, goal: float) -> bool:
    return sent(source) == goal


async def test_it_is_served_when_the_upstream_has_gone(material: Material) -> None:
    async with caching(material) as cache:
        put(cache)
        await cache.read(f"/{PATH}")
        cache.registry.replies[PATH] = Reply(500)
        assert await cache.read(f"/{PATH}") == (200, BODY)


async def test_many_clients_of_a_cold_blob_cost_one_request(material: Material) -> None:
    async with caching(material) as cache:
        put(cache, hold=(hold := asyncio.Event()))
        reading = [asyncio.create_task(cache.read(f"/{PATH}")) for _ in range(LIMITS.streams_per_client)]
        await until(lambda: cache.gets(DIGEST))
        hold.set()
        assert set(await asyncio.gather(*reading)) == {(200, BODY)}
        assert cache.gets(DIGEST) == 1


async def test_a_client_reads_what_has_arrived_while_the_rest_is_on_its_way(material: Material) -> None:
    async with caching(material) as cache:
        cache.registry.blob(BODY)
        cache.registry.replies[PATH] = Reply(200, body=BODY, stop_at=100_000, then="stall")
        async with cache.get(f"/{PATH}") as first, cache.get(f"/{PATH}") as second:
            assert await first.content.readexactly(100_000) == BODY[:100_000]
            assert await second.content.readexactly(100_000) == BODY[:100_000]


async def test_the_fetch_goes_on_when_its_client_has_gone(material: Material) -> None:
    async with caching(material) as cache:
        put(cache, hold=(hold := asyncio.Event()))
        async with cache.get(f"/{PATH}") as answer:
            assert answer.status == 200
        hold.set()
        await until(lambda: cache.file(DIGEST).exists())
        assert await cache.read(f"/{PATH}") == (200, BODY)
        assert cache.gets(DIGEST) == 1


@pytest.mark.parametrize(
    ("wanted", "start", "stop"), [("bytes=1000-1999", 1000, 2000), ("bytes=-100", len(BODY) - 100, len(BODY))]
)
async def test_a_range_of_a_cold_blob_is_a_range_of_the_whole_fetch(
    material: Material, wanted: str, start: int, stop: int
) -> None:
    async with caching(material) as cache:
        put(cache)
        for _ in range(2):
            async with cache.get(f"/{PATH}", headers={"Range": wanted}) as answer:
                assert (answer.status, await answer.read()) == (206, BODY[start:stop])
                assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(BODY)}"
            await until(lambda: cache.file(DIGEST).exists())
        assert cache.gets(DIGEST) == 1
        assert not cache.registry.server.asked[-1].header("Range")


async def test_a_range_beyond_the_end_is_refused_with_the_length(material: Material) -> None:
    async with caching(material) as cache:
        put(cache)
        await cache.read(f"/{PATH}")
        async with cache.get(f"/{PATH}", headers={"Range": f"bytes={len(BODY)}-"}) as answer:
            assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(BODY)}")


async def test_who_has_it_gets_304_and_an_old_part_is_not_continued(material: Material) -> None:
    async with caching(material) as cache:
        put(cache)
        await cache.read(f"/{PATH}")
        assert (await cache.read(f"/{PATH}", **{"If-None-Match": f'"{DIGEST}"'}))[0] == 304
        assert await cache.read(f"/{PATH}", **{"Range": "bytes=5-", "If-Range": '"other"'}) == (200, BODY)
        assert await cache.read(f"/{PATH}", **{"Range": "bytes=5-", "If-Range": f'"{DIGEST}"'}) == (206, BODY[5:])


async def test_a_head_of_a_cold_blob_fetches_nothing(material: Material) -> None:
    async with caching(material) as cache:
        put(cache)
        async with cache.head(f"/{PATH}") as answer:
            assert (answer.status, answer.content_length) == (200, len(BODY))
        assert (cache.gets(DIGEST), cache.registry.asked("HEAD")) == (0, [PATH])
        assert not cache.file(DIGEST).exists()


async def test_an_upstream_that_goes_away_aborts_all_and_leaves_nothing(material: Material) -> None:
    async with caching(material, deadlines=QUICK) as cache:
        put(cache, stop_at=100_000, then="reset")
        got = await asyncio.gather(*(broken(cache) for _ in range(5)))
        assert all(len(one) < len(BODY) for one in got)
        await until(lambda: not cache.leftovers())
        assert not cache.file(DIGEST).exists()
        cache.registry.replies.clear()
        assert await cache.read(f"/{PATH}") == (200, BODY)


async def test_a_body_that_breaks_is_fetched_to_its_end_for_all(material: Material) -> None:
    async with caching(material) as cache:
        put(cache)

        def behaviour(asked: object) -> Reply:
            start = getattr(asked, "header")("Range")  # noqa: B009
            if not start:
                return Reply(200, body=BODY, stop_at=100_000, then="reset")
            first = int(start.removeprefix("bytes=").partition("-")[0])
            span = {"Content-Range": f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"}
            return Reply(206, span, BODY[first:], stop_at=None if first >= 300_000 else 100_000, then="reset")

        cache.registry.server.behaviour = behaviour
        assert await cache.read(f"/{PATH}") == (200, BODY)
        await until(lambda: cache.file(DIGEST).exists())
        assert cache.file(DIGEST).read_bytes() == BODY


async def test_wrong_content_never_ends_well_and_is_not_kept(material: Material) -> None:
    async with caching(material) as cache:
        put(cache)
        cache.registry.replies[PATH] = Reply(200, body=BODY[:-1] + b"!")
        before = counted("registry_store_unstored_total", reason="digest")
        assert len(await broken(cache)) < len(BODY)
        await until(lambda: counted("registry_store_unstored_total", reason="digest") == before + 1)
        await until(lambda: not cache.leftovers())
        assert not cache.file(DIGEST).exists()
        cache.registry.replies.clear()
        assert await cache.read(f"/{PATH}") == (200, BODY)


async def test_who_sent_wrong_content_is_asked_for_it_after_the_others(material: Material) -> None:
    other = Registry()
    other.blob(BODY)
    async with other.server, caching(material, others=[other.server.address]) as cache:
        put(cache)
        cache.registry.replies[PATH] = Reply(200, body=b"x" + BODY[1:])
        assert len(await broken(cache)) < len(BODY)
        await until(lambda: not cache.leftovers())
        assert await cache.read(f"/{PATH}") == (200, BODY)
        assert (cache.gets(DIGEST), len(other.asked("GET"))) == (1, 1)


async def test_a_blob_without_a_length_passes_unstored(material: Material) -> None:
    async with caching(material) as cache:
        put(cache, chunked=True)
        before = counted("registry_store_unstored_total", reason="length")
        assert await cache.read(f"/{PATH}") == (200, BODY)
        assert counted("registry_store_unstored_total", reason="length") == before + 1
        await until(lambda: not cache.leftovers())
        assert not cache.file(DIGEST).exists()


@pytest.mark.parametrize(("limit", "bytes_"), [("minFree", 2**60), ("size", 1000)])
async def test_what_has_no_room_passes_unstored(material: Material, limit: str, bytes_: int) -> None:
    async with caching(material, limits={limit: bytes_}) as cache:
        put(cache)
        before = counted("registry_store_unstored_total", reason="full")
        assert await cache.read(f"/{PATH}") == (200, BODY)
        assert await cache.read(f"/{PATH}", Range="bytes=1-2") == (200, BODY), "this registry knows no ranges"
        assert counted("registry_store_unstored_total", reason="full") == before + 2
        await until(lambda: not cache.leftovers())
        assert not cache.file(DIGEST).exists()


async def test_a_disk_that_fills_up_aborts_and_the_next_pulls_pass_unstored(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = os.pwrite, 0

    def fills_up(descriptor: int, data: bytes, offset: int) -> int:
        nonlocal written
        written += len(data)
        if written > 100_000:
            raise OSError(errno.ENOSPC, "no space")
        return write(descriptor, data, offset)

    async with caching(material) as cache:
        put(cache)
        monkeypatch.setattr(os, "pwrite", fills_up)
        assert len(await broken(cache)) < len(BODY)
        await until(lambda: not cache.leftovers())
        assert await cache.read(f"/{PATH}") == (200, BODY)
        await until(lambda: not cache.leftovers())
        assert not cache.file(DIGEST).exists()


async def test_a_missing_blob_is_404_and_each_asks_anew(material: Material) -> None:
    async with caching(material) as cache:
        assert (await cache.read(f"/{PATH}"))[0] == 404
        put(cache)
        assert await cache.read(f"/{PATH}") == (200, BODY)


async def test_an_upstream_that_is_away_is_503_not_404(material: Material) -> None:
    async with caching(material, deadlines=QUICK) as cache:
        cache.registry.replies[PATH] = Reply(silent=True)
        assert (await cache.read(f"/{PATH}"))[0] == 504
