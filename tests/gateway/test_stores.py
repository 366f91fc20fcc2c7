"""The store of a process that is let go of while somebody uses it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from registry_gateway import stores
from registry_gateway.store.errors import StoreError
from registry_gateway.stores import Keeper, Opened
from tests.gateway.stores import MEMORY
from tests.store.site import NAME, Clock, Site, digest

BODY = b"layer" * 200_000


@asynccontextmanager
async def kept() -> AsyncIterator[tuple[Keeper, Opened]]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        keeper = Keeper(Path(name))
        await keeper.want(True)
        looking = asyncio.create_task(keeper.run())
        assert keeper.opened
        try:
            yield keeper, keeper.opened
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await keeper.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - files have no event
            await asyncio.sleep(0.01)


async def test_a_slow_client_keeps_no_damaged_index_from_being_rebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "HOLD_SECONDS", 0.05)
    monkeypatch.setattr(stores, "LOOK_SECONDS", 0.01)
    async with kept() as (keeper, before):
        with before.held() as store:
            assert keeper.folder
            site = Site(keeper.folder, store, Clock())
            await site.push_image(BODY, tag="v1")
            async with await store.contents.blob(NAME, digest(BODY)) as blob:
                pieces = blob.pieces()
                read = bytes(await anext(pieces))
                (keeper.folder / "rebuild").touch()
                await until(lambda: keeper.opened not in (None, before))
                try:  # what is in memory is still given
                    async for piece in pieces:
                        read += piece
                except StoreError:
                    assert BODY.startswith(read)
                else:
                    assert read == BODY
            with pytest.raises(StoreError):
                await store.contents.tags(NAME)
            with pytest.raises(StoreError):
                await store.uploads.start(NAME)
        assert keeper.opened
        with keeper.opened.held() as store:
            assert await store.contents.tags(NAME) == ["v1"]


async def test_a_fetch_under_which_the_store_is_closed_holds_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "HOLD_SECONDS", 0.05)
    monkeypatch.setattr(stores, "LOOK_SECONDS", 0.01)
    async with kept() as (keeper, before):
        with before.held() as store:
            assert keeper.folder
            old = await store.fetches.claim(NAME, digest(BODY))
            assert old
            await old.begin(len(BODY))
            (keeper.folder / "rebuild").touch()
            await until(lambda: keeper.opened not in (None, before))
            assert keeper.opened
            with pytest.raises(StoreError):
                await old.commit()
        with keeper.opened.held() as store:
            again = await store.fetches.claim(NAME, digest(BODY))
            assert again
            async with again:
                await again.begin(len(BODY))
                await again.write(BODY)
                await again.commit()
        assert old, "nobody has forgotten it, so only itself has let go of its files"


async def test_who_uses_the_store_for_a_moment_finishes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "LOOK_SECONDS", 0.01)
    async with kept() as (keeper, before):
        with before.held() as store:
            assert keeper.folder
            (keeper.folder / "rebuild").touch()
            await until(lambda: keeper.opened is None)
            await Site(keeper.folder, store, Clock()).push_image(BODY, tag="v1")
        await until(lambda: keeper.opened is not None)
        assert keeper.opened
        with keeper.opened.held() as store:
            assert await store.contents.tags(NAME) == ["v1"]


async def test_a_store_that_is_wanted_no_more_is_left_to_those_who_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "HOLD_SECONDS", 0.0)
    monkeypatch.setattr(stores, "LOOK_SECONDS", 0.01)
    async with kept() as (keeper, before):
        with before.held() as store:
            await keeper.want(False)
            assert keeper.opened is None
            assert await store.contents.repositories() == []
            await keeper.want(True)  # from now on somebody waits
            await until(lambda: keeper.opened is not None)
            with pytest.raises(StoreError):
                await store.contents.repositories()
