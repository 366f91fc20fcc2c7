"""Pull-through: one fetch per digest, everybody served while it arrives, in this process and in others."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from registry_gateway.store import locks
from registry_gateway.store.errors import DigestMismatchError, FetchFailedError, TooLargeError
from registry_gateway.store.fetches import Claim
from registry_gateway.store.growing import Growing
from registry_gateway.store.store import Store
from tests.store.site import NAME, Site, digest
from tests.support.gateway import PACKAGE

ROOT = Path(__file__).parents[2]
BODY = os.urandom(3_000_000)
DEADLINE = 30.0  # seconds for what takes a moment on an idle machine


@asynccontextmanager
async def another(command: str, site: Site, wanted: str, total: int) -> AsyncIterator[Process]:
    arguments = ("-m", "tests.store.other", command, str(site.folder), wanted, str(total))
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, env=environment, stdout=PIPE)
    try:
        assert await said(process) == "open"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), DEADLINE)).decode().strip()


async def claimed(site: Site, wanted: str, name: str = NAME) -> Claim:
    claim = await site.store.fetches.claim(name, wanted)
    assert claim is not None
    return claim


async def followed(store: Store, wanted: str) -> Growing:
    growing = await store.fetches.follow(wanted)
    assert growing is not None
    return growing


async def collected(
    growing: Growing, start: int = 0, stop: int | None = None, *, into: list[bytes | bytearray] | None = None
) -> bytes:
    pieces = [] if into is None else into
    async with growing:
        async for piece in growing.pieces(start, stop):
            pieces.append(piece)
    return b"".join(pieces)


async def test_followers_of_two_processes_get_everything_while_it_arrives(site: Site) -> None:
    wanted = digest(BODY)
    async with another("follow", site, wanted, 0) as process, await claimed(site, wanted) as claim:
        await claim.begin(len(BODY))
        here = [asyncio.create_task(collected(await followed(site.store, wanted))) for _ in range(3)]
        await claim.write(BODY[:1000])
        assert await said(process) == "first", "the other process reads before the end is here"
        for start in range(1000, len(BODY), 65_536):
            await claim.write(BODY[start : start + 65_536])
        await claim.commit()
        assert await said(process) == f"whole {len(BODY)}"
        assert await asyncio.gather(*here) == [BODY] * 3
    assert await site.read(wanted) == BODY
    assert site.leftovers() == []


async def test_only_one_of_many_gets_the_claim(site: Site) -> None:
    wanted = digest(BODY)
    async with await Store.open(site.folder) as other:
        stores = [site.store, other] * 10
        claims = [
            found for found in await asyncio.gather(*(one.fetches.claim(NAME, wanted) for one in stores)) if found
        ]
        assert len(claims) == 1
        async with claims[0] as claim:
            await claim.begin(len(BODY))
            readers = [asyncio.create_task(collected(await followed(one, wanted))) for one in stores]
            await claim.write(BODY)
            await claim.commit()
            assert await asyncio.gather(*readers) == [BODY] * 20
        assert await other.fetches.claim("another", wanted) is None
        async with await other.contents.blob("another", wanted) as blob:
            assert blob.size == len(BODY), "what is here is given to the repository that asks for it"


async def test_a_range_is_served_from_a_file_that_grows(site: Site) -> None:
    wanted = digest(BODY)
    async with await claimed(site, wanted) as claim:
        await claim.begin(len(BODY))
        await claim.write(BODY[:500_000])
        async with asyncio.timeout(DEADLINE):
            assert await collected(await followed(site.store, wanted), 100, 400_000) == BODY[100:400_000]
        tail = asyncio.create_task(collected(await followed(site.store, wanted), 2_000_000))
        await claim.write(BODY[500_000:])
        await claim.commit()
        assert await tail == BODY[2_000_000:]


async def test_who_comes_while_the_entry_is_written_waits_for_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, looked, is_held = digest(BODY), asyncio.Semaphore(0), locks.is_held

    def look(descriptor: int) -> bool:
        looked.release()
        return is_held(descriptor)

    async with await Store.open(site.folder) as other, await claimed(site, wanted) as claim:
        await claim.begin(len(BODY))
        (growing,) = (site.folder / "incoming").iterdir()
        growing.rename(site.folder / "placed")
        monkeypatch.setattr(locks, "is_held", look)
        late = asyncio.create_task(other.fetches.follow(wanted))
        async with asyncio.timeout(DEADLINE):
            for _ in range(5):
                await looked.acquire()
        assert not late.done()
        await claim.end()
        assert await asyncio.wait_for(late, DEADLINE) is None


async def test_wrong_content_never_ends_cleanly_and_is_not_stored(site: Site) -> None:
    wanted = digest(b"something else")
    async with await claimed(site, wanted) as claim:
        await claim.begin(len(BODY))
        growing = await followed(site.store, wanted)
        await claim.write(BODY)
        got = list[bytes | bytearray]()
        with pytest.raises(DigestMismatchError):
            await claim.commit()
        with pytest.raises(FetchFailedError):
            await collected(growing, into=got)
        assert b"".join(got) == BODY[:-1], "the last byte waits for the verdict"
    assert (site.on_disk(), site.leftovers()) == (set(), [])


async def test_a_fetch_that_is_given_up_fails_its_followers_and_frees_the_claim(site: Site) -> None:
    wanted = digest(BODY)
    async with await claimed(site, wanted) as claim:
        await claim.begin(len(BODY))
        growing = await followed(site.store, wanted)
        await claim.write(BODY[:1000])
        reader = asyncio.create_task(collected(growing))
    with pytest.raises(FetchFailedError):
        await asyncio.wait_for(reader, DEADLINE)
    async with await claimed(site, wanted):
        pass
    assert site.leftovers() == []


async def test_an_end_that_is_cancelled_frees_the_claim_all_the_same(site: Site) -> None:
    wanted = digest(BODY)
    for steps in range(4):
        claim = await claimed(site, wanted)
        await claim.begin(len(BODY))
        await claim.write(BODY[:1000])  # little: it is not waited for
        ending = asyncio.create_task(claim.end())
        for _ in range(steps):
            await asyncio.sleep(0)
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        if steps:  # it had begun
            assert site.leftovers() == []
        await claim.end()


async def test_who_waits_for_the_length_is_told_when_there_will_be_none(site: Site) -> None:
    wanted = digest(BODY)
    async with await claimed(site, wanted):
        waiting = asyncio.create_task(site.store.fetches.follow(wanted))
    assert await asyncio.wait_for(waiting, DEADLINE) is None
    assert await site.store.fetches.follow(wanted) is None


async def test_a_killed_fetcher_fails_its_followers_and_the_next_takes_over(site: Site) -> None:
    wanted = digest(BODY)
    async with another("fetch", site, wanted, len(BODY)) as process:
        assert await said(process) == "half"
        assert await site.store.fetches.claim(NAME, wanted) is None
        reader = asyncio.create_task(collected(await followed(site.store, wanted)))
        process.kill()
        with pytest.raises(FetchFailedError):
            await asyncio.wait_for(reader, DEADLINE)
    assert await site.store.fetches.follow(wanted) is None
    async with await claimed(site, wanted) as claim:
        await claim.begin(len(BODY))
        reader = asyncio.create_task(collected(await followed(site.store, wanted)))
        await claim.write(BODY)
        await claim.commit()
        assert await reader == BODY
    assert len(site.leftovers()) == 1, "the half of the dead process"
    assert await site.store.upkeep.sweep() == 1


async def test_more_than_was_announced_is_refused_and_less_is_not_stored(site: Site) -> None:
    for announced, error in ((len(BODY) - 1, TooLargeError), (len(BODY) + 1, DigestMismatchError)):
        async with await claimed(site, digest(BODY + b"x")) as claim:
            await claim.begin(announced)
            await claim.write(BODY)
            with pytest.raises(error):
                await claim.commit()
    assert (site.on_disk(), site.leftovers()) == (set(), [])


async def test_an_empty_blob_is_fetched_like_any_other(site: Site) -> None:
    async with await claimed(site, digest(b"")) as claim:
        await claim.begin(0)
        reader = asyncio.create_task(collected(await followed(site.store, digest(b""))))
        await claim.commit()
        assert await reader == b""
    assert await site.read(digest(b"")) == b""


async def test_a_slow_follower_is_served_though_the_content_was_evicted_meanwhile(site: Site) -> None:
    wanted = digest(BODY)
    async with await claimed(site, wanted) as claim:
        await claim.begin(len(BODY))
        growing = await followed(site.store, wanted)
        await claim.write(BODY)
        await claim.commit()
    removed = await site.store.upkeep.evict(size=0)
    assert removed.digests == [wanted]
    assert await collected(growing) == BODY
