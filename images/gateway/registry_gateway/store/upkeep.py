"""Keeping the store in order: how full it is, eviction, collection, scrub, leftovers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from registry_gateway.store import collect, evict, plan, scrub
from registry_gateway.store.catching_up import catch_up
from registry_gateway.store.errors import StoreError
from registry_gateway.store.home import Home
from registry_gateway.store.plan import Keep, Plan
from registry_gateway.store.removal import Removed
from registry_gateway.store.scrub import Finding
from registry_gateway.store.sweep import clean, sweep
from registry_gateway.store.uses import Uses


@dataclass(frozen=True, slots=True)
class Usage:
    """Pieces of content and their bytes; bytes that the data directory's disk has and that are free on it."""

    pieces: int
    size: int
    disk: int
    free: int


class Upkeep:
    """Work that one process at a time should do; two do no harm. Everything raises StoreError."""

    def __init__(self, home: Home, uses: Uses) -> None:
        self._home, self._uses = home, uses

    async def usage(self) -> Usage:
        """How full the store and its disk are."""

        def find() -> Usage:
            disk = os.statvfs(self._home.paths.root)
            pieces, size = evict.usage(self._home)
            return Usage(pieces, size, disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize)

        return await self._home.keep(find)

    async def evict(self, *, size: int, ttl: int = 0, protected: Collection[str] = ()) -> Removed:
        """Remove what was not used for longest until `size` bytes at most are left, and what was not used for `ttl`
        seconds (0: never); not what is open, leased or `protected`, digests with nothing added to them.
        """
        await self._uses.flush()
        eviction = await self._home.keep(lambda: evict.Eviction(self._home, size=size, ttl=ttl, protected=protected))
        while await self._home.keep(eviction.step):
            pass
        return eviction.removed

    async def plan(self, keep: Keep) -> Plan:
        """What `collect` would remove now: tags that are not kept, and what nothing kept leads to."""
        await self._uses.flush()
        return await self._home.keep(plan.make, self._home, keep)

    async def collect(self, keep: Keep) -> Removed:
        """Remove what `plan` finds, except what is used meanwhile."""
        return await self.carry_out(await self.plan(keep))

    async def carry_out(self, planned: Plan, *, pause: float = 0.0) -> Removed:
        """Remove what a plan of this store says, except what was used since it was made; `pause`: seconds between
        steps, for others.
        """
        removed = Removed()
        steps = collect.steps(self._home, planned, removed)
        while True:
            if await self._home.keep(next, steps, self) is self:  # a mark for the end
                break
            await asyncio.sleep(pause)
        return removed

    def scrub(self, *, rate: int, cursor: int = 0) -> AsyncIterator[Finding]:
        """Hash all content behind `cursor` again, at `rate` bytes a second at most (0: no limit); what is wrong is put
        aside.
        """
        return scrub.scrub(self._home, rate=rate, cursor=cursor)

    async def sweep(self) -> int:
        """Remove what dead processes left half-written; returns how many files."""
        return await self._home.keep(sweep, self._home)

    async def clean(self) -> int:
        """Remove what nobody needs and nothing else removes: leftovers as `sweep`, beside those who write; files in
        place without a row; what was in quarantine for a week. Returns how many files.
        """
        return await self._home.keep(clean, self._home)

    async def catch_up(self) -> dict[str, StoreError]:
        """Write layouts that are behind the index; those of the repositories that are returned stay so, and why."""
        return await self._home.keep(catch_up, self._home)

    async def check_index(self) -> bool:
        """Read the whole index. When it is damaged, false, and it will be rebuilt at the next start of all."""

        def check() -> bool:
            sound = self._home.database.is_sound()
            if not sound:
                self._home.paths.rebuild_wanted.touch()
            return sound

        return await self._home.keep(check)
