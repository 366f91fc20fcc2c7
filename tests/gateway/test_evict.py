"""A cache keeps within its limits and leaves the disk its room; what the running release needs stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from registry_gateway.config import Image, Upstream, parse
from registry_gateway.config_store import Role, StoreConfig
from registry_gateway.sources.base import ignore
from registry_gateway.store.errors import BrokenError, UploadUnknownError
from registry_gateway.store.stamps import REMEMBERED
from registry_gateway.upkeep import room as rooms
from registry_gateway.upkeep.room import Room
from registry_gateway.upkeep.work import Work
from tests.gateway.stores import expected, stored
from tests.store.site import DAY, NAME, Site, digest
from tests.support.gateway import config


def room(site: Site, images: Sequence[Image] = (), *, clock: list[float] | None = None, **settings: Any) -> Room:
    now = clock or [0.0]
    config: StoreConfig[Upstream] = StoreConfig(role=Role.CACHE, **settings)
    return Room(site.store, config, NAME, images, ignore, clock=lambda: now[0])


async def three_images(site: Site) -> list[str]:
    found = []
    for number in range(3):
        found.append(await site.push_image(bytes([number]) * 10_000, tag=f"v{number}"))
        site.clock.pass_(DAY)
    return found


async def test_a_cache_above_its_size_loses_what_was_not_used_for_longest_but_not_what_is_expected() -> None:
    async with stored() as site:
        first, _, third = await three_images(site)
        made = room(site, expected(first).images, size=25_000)
        await made.round()
        assert made.usage
        assert made.usage.size <= 25_000
        assert await site.store.contents.missing(NAME, first) == []
        assert digest(bytes([1]) * 10_000) not in site.on_disk()
        assert await site.store.contents.missing(NAME, third) == []
        left = site.on_disk()
        await made.round()
        assert site.on_disk() == left


async def test_while_check_is_null_nothing_is_evicted_since_anything_could_be_expected() -> None:
    document = json.loads(config([]))
    assert document["check"] is None
    found = parse(json.dumps({**document, "store": {"role": "cache", "size": 1, "ttl": 1, "minFree": 2**62}}).encode())
    async with stored() as site:
        await three_images(site)
        before = site.on_disk()
        assert found.store
        made = Work(found, found.store, site.store, {}, [], name="", changed=ignore, counted=ignore, met=ignore).room
        await made.round()
        assert (site.on_disk(), made.full) == (before, True)


async def test_a_cache_within_its_limits_is_left_alone() -> None:
    async with stored() as site:
        await three_images(site)
        before = site.on_disk()
        await room(site, size=10**9, ttl=30 * DAY).round()
        await room(site).round()
        assert site.on_disk() == before


async def test_an_upload_that_nobody_goes_on_with_ends_after_a_day() -> None:
    async with stored() as site:
        left, going = [await site.store.uploads.start(NAME) for _ in range(2)]
        clock = [0.0]
        made = room(site, clock=clock)
        site.clock.pass_(DAY - 60)
        async with await site.store.uploads.resume(NAME, going) as session:
            await session.write(b"more")
        site.clock.pass_(120)
        await made.round()
        with pytest.raises(UploadUnknownError):
            await site.store.uploads.offset(NAME, left)
        assert await site.store.uploads.offset(NAME, going) == 4


@pytest.mark.parametrize("role", list(Role))
async def test_every_store_forgets_removals_whose_time_is_over(role: Role) -> None:
    async with stored() as site:
        await site.store.changes.delete_manifest(NAME, await site.push_image(b"layer", tag="v1"))
        clock = [0.0]
        config: StoreConfig[Upstream] = StoreConfig(role=role)
        made = Room(site.store, config, NAME, (), ignore, clock=lambda: clock[0])
        await made.round()
        assert len(await site.store.shared.names(NAME)) == 2, "a manifest and its tag"
        site.clock.pass_(REMEMBERED / 1000 + 1)
        clock[0] = rooms.LEFT_EVERY
        await made.round()
        assert await site.store.shared.names(NAME) == []


async def test_what_was_not_used_for_the_ttl_goes_now_and_then() -> None:
    async with stored() as site:
        await three_images(site)
        clock = [0.0]
        made = room(site, ttl=2 * DAY - 60, clock=clock)
        await made.round()
        assert await site.store.contents.tags(NAME) == ["v2"]
        site.clock.pass_(DAY)
        await made.round()
        assert await site.store.contents.tags(NAME) == ["v2"], "not at every look"
        clock[0] = rooms.AGE_EVERY
        await made.round()
        assert await site.store.contents.tags(NAME) == []


@pytest.mark.parametrize("role", [Role.COPY, Role.SPARE])
async def test_a_store_that_is_no_cache_loses_nothing(role: Role) -> None:
    async with stored() as site:
        await three_images(site)
        before = site.on_disk()
        config: StoreConfig[Upstream] = StoreConfig(role=role, size=1, ttl=1, min_free=2**62)
        made = Room(site.store, config, NAME, (), ignore)
        await made.round()
        assert (site.on_disk(), made.full) == (before, True)


async def test_a_disk_with_too_little_room_is_given_all_that_is_not_expected_and_told_of() -> None:
    async with stored() as site:
        first, *_ = await three_images(site)
        told: list[None] = []
        config: StoreConfig[Upstream] = StoreConfig(role=Role.CACHE, min_free=2**62)
        made = Room(site.store, config, NAME, expected(first).images, lambda: told.append(None))
        assert not made.full, "nothing is known yet"
        await made.round()
        await made.round()
        assert (made.full, len(told)) == (True, 1)
        assert await site.store.contents.tags(NAME) == ["v0"]
        assert await site.store.contents.missing(NAME, first) == []


async def test_files_that_nothing_else_removes_go_now_and_then() -> None:
    async with stored() as site:
        clock = [0.0]
        made = room(site, clock=clock)
        for _ in range(2):
            site.file(digest(b"orphan")).write_bytes(b"orphan")
            await made.round()
            assert site.on_disk() == set()
            site.file(digest(b"orphan")).write_bytes(b"orphan")
            await made.round()
            assert site.on_disk() == {digest(b"orphan")}, "not at every look"
            clock[0] += rooms.CLEAN_EVERY


async def test_a_layout_that_could_not_be_written_is_when_there_is_room(capfd: pytest.CaptureFixture[str]) -> None:
    async with stored() as site:
        await site.push_image(b"layer", tag="v1")
        index = site.layout() / "index.json"
        index.unlink()
        index.mkdir()
        with pytest.raises(BrokenError):
            await site.push_image(b"layer", tag="v2")
        made = room(site)
        await made.round()
        await made.round()
        index.rmdir()
        await made.round()
        assert b"v2" in index.read_bytes()
        assert capfd.readouterr().out.count('"layouts ') == 2, "one line when it begins and one when it is over"
