"""Eviction: what was not used for longest goes first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry_gateway.store import content
from registry_gateway.store.database import Database
from registry_gateway.store.errors import UnknownError
from registry_gateway.store.home import Home
from registry_gateway.store.paths import Paths
from registry_gateway.store.rebuild import rebuild
from registry_gateway.store.removal import Candidate, Removed, remove
from tests.store import site as build
from tests.store.site import DAY, NAME, Clock, Site, digest

BIG = b"x" * 10_000


def candidate(database: Database, identity: int) -> Candidate:
    row = database.connection.execute("SELECT id, digest, size, used FROM content WHERE id = ?", (identity,)).fetchone()
    return Candidate(*row)


def test_content_that_was_used_after_it_was_chosen_stays(folder: Path) -> None:
    clock, paths = Clock(), Paths(folder)
    paths.prepare()
    rebuild(paths)
    home = Home(paths, Database(paths.index), grace=0, now=clock)
    with home.database.writing() as connection:
        identity = content.place(connection, digest(b""), 0, home.now())
    chosen = candidate(home.database, identity)
    paths.blob(digest(b"")).touch()
    clock.pass_(1)
    with home.database.writing() as connection:
        content.renew(connection, identity, home.now())
    removed = Removed()
    remove(home, [chosen], removed, needed=True)
    assert (removed.digests, removed.busy) == ([], 1)
    remove(home, [candidate(home.database, identity)], removed, needed=True)
    assert removed.digests == [digest(b"")]
    home.database.close()


async def test_eviction_takes_what_was_not_used_for_longest(site: Site) -> None:
    bodies = [bytes([number]) * 10_000 for number in range(6)]
    for body in bodies:
        await site.push_blob(body)
        site.clock.pass_(60)
    await site.read(digest(bodies[0]))
    removed = await site.store.upkeep.evict(size=30_000)
    assert removed.digests == [digest(body) for body in bodies[1:4]]
    assert removed.size == 30_000
    assert (await site.store.upkeep.usage()).size == 30_000


async def test_eviction_by_age_takes_names_with_their_content(site: Site) -> None:
    old = await site.push_image(BIG, tag="old")
    site.clock.pass_(DAY)
    new = await site.push_image(b"young", tag="new", name="another")
    removed = await site.store.upkeep.evict(size=10**9, ttl=DAY // 2)
    assert set(removed.digests) == {old, digest(BIG), digest(build.config("old"))}
    assert await site.store.contents.tags(NAME) == []
    assert json.loads((site.layout() / "index.json").read_bytes())["manifests"] == []
    assert (await site.store.contents.manifest("another", "new")).digest == new


async def test_eviction_leaves_what_is_protected_leased_or_open(site: Site) -> None:
    bodies = [bytes([number]) * 10_000 for number in range(4)]
    for body in bodies:
        await site.push_blob(body)
    leased = await site.push_image(b"of the leased", tag="v1")
    await site.store.leases.take("fill", [digest(bodies[1]), leased], seconds=DAY)
    async with await site.store.contents.blob(NAME, digest(bodies[2])):
        removed = await site.store.upkeep.evict(size=0, ttl=1, protected={digest(bodies[0])})
    assert removed.digests == [digest(bodies[3])]
    assert site.on_disk() == {digest(body) for body in (*bodies[:3], b"of the leased", build.config("v1"))} | {leased}


async def test_a_layer_that_was_evicted_can_be_fetched_again(site: Site) -> None:
    image = await site.push_image(BIG, tag="v1")
    site.clock.pass_(60)
    await site.store.contents.manifest(NAME, image)
    await site.store.upkeep.evict(size=9_000)
    assert (await site.store.contents.manifest(NAME, "v1")).digest == image
    with pytest.raises(UnknownError):
        await site.store.contents.blob(NAME, digest(BIG))
    claim = await site.store.fetches.claim(NAME, digest(BIG))
    assert claim is not None
    async with claim:
        await claim.begin(len(BIG))
        await claim.write(BIG)
        await claim.commit()
    assert await site.read(digest(BIG)) == BIG
