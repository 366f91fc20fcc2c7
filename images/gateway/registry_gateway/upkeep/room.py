"""How full store and disk are, and what is done about it: a cache gives up what was not used for longest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from registry_gateway import log
from registry_gateway.config import Image, Upstream
from registry_gateway.config_store import Role, StoreConfig
from registry_gateway.store.errors import UnknownError
from registry_gateway.store.store import Store
from registry_gateway.store.upkeep import Usage

LOOK_EVERY = 10.0  # seconds
AGE_EVERY = 600.0  # seconds between looks for what was not used for the ttl
CLEAN_EVERY = 3600.0  # seconds between looks for files that nothing else removes
LEFT_EVERY = 600.0  # seconds between looks for uploads that nobody goes on with, and for removals to forget
UPLOAD_SECONDS = 86400  # for which an upload to which nothing comes stays; a client may be repaired meanwhile
FUTILE_SECONDS = 60.0  # until it is tried again to evict when nothing could be
DOWN_TO = 0.95  # of the limit, when it is exceeded: the next blob must not be reason to evict again


class Room:
    """Keeps a cache within its limits, ends uploads that nobody goes on with, forgets removals whose time is over, and
    writes layouts that the disk did not take before; of every store `usage` is known. `expected` are images that stay;
    None when they are not known: then nothing is evicted, and a disk that becomes full takes nothing new. `changed` is
    told when `full` is new.
    """

    def __init__(
        self,
        store: Store,
        settings: StoreConfig[Upstream],
        repository: str,
        expected: Sequence[Image] | None,
        changed: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._settings, self._repository, self._expected = store, settings, repository, expected
        self._changed, self._clock = changed, clock
        self._age_at = self._futile_until = self._left_at = self._clean_at = 0.0
        self._behind = set[str]()
        self.usage: Usage | None = None

    @property
    def full(self) -> bool:
        """Whether less is free on the disk than must be: nothing new is stored."""
        return self.usage is not None and self.usage.free < self._settings.min_free

    async def round(self) -> None:
        """Look once, and evict if need be. Raises StoreError."""
        was_full = self.full
        self.usage = await self._store.upkeep.usage()
        if self._settings.role is Role.CACHE and self._expected is not None:
            await self._evict(self.usage, self._expected)
        await self._catch_up()
        if self._clean_at <= self._clock():
            self._clean_at = self._clock() + CLEAN_EVERY
            removed = await self._store.upkeep.clean()
            if removed:
                log.emit("info", "leftovers removed", files=removed)
        if self._left_at <= self._clock():
            self._left_at = self._clock() + LEFT_EVERY
            await self._store.shared.forget_expired()
            ended = await self._store.uploads.expire(older=UPLOAD_SECONDS)
            if ended:
                log.emit("info", "uploads expired", uploads=ended)
        if self.full != was_full:
            log.emit("warning" if self.full else "info", "disk full" if self.full else "disk has room again")
            self._changed()

    async def _catch_up(self) -> None:
        behind = await self._store.upkeep.catch_up()  # after the eviction, which may have made room for it
        if behind.keys() == self._behind:
            return
        self._behind = set(behind)
        name, error = next(iter(behind.items()), ("", None))
        what = {"repositories": len(behind), "first": name, "reason": error and error.message}
        log.emit("error" if behind else "info", "layouts behind" if behind else "layouts up to date again", **what)

    async def _evict(self, usage: Usage, expected: Sequence[Image]) -> None:
        limit, short = self._settings.size, self._settings.min_free - usage.free
        too_large = bool(limit) and usage.size > limit
        urgent = (too_large or short > 0) and self._futile_until <= self._clock()
        if not urgent and self._age_at > self._clock():
            return
        self._age_at = self._clock() + AGE_EVERY
        size = min(int(limit * DOWN_TO) if too_large else usage.size, usage.size - max(0, short))
        protected = await self._protected(expected)
        removed = await self._store.upkeep.evict(size=max(0, size), ttl=self._settings.ttl, protected=protected)
        self._futile_until = 0.0 if removed.digests else self._clock() + FUTILE_SECONDS
        if removed.digests:
            log.emit("info", "evicted", blobs=len(removed.digests), bytes=removed.size, busy=removed.busy)
            self.usage = await self._store.upkeep.usage()

    async def _protected(self, expected: Sequence[Image]) -> set[str]:
        """What the running release needs, as far as it is here."""
        found = set[str]()
        for image in expected:
            try:
                found.update(await self._store.contents.needs(self._repository, image.reference))
            except UnknownError:
                continue
        return found
