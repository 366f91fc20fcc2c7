"""Collection of a copy: what would go is told first, and goes a while later if it still would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry_gateway import log
from registry_gateway.config import Check, Image
from registry_gateway.config_store import KeptImage
from registry_gateway.store.plan import Plan
from registry_gateway.store.removal import Removed
from registry_gateway.store.store import Store
from registry_gateway.upkeep.keeping import Keeping
from registry_gateway.upkeep.leasing import Leasing

EVERY = 3600.0  # seconds between collections
TOLD_BEFORE = 900.0  # seconds for which the status says what would go, before it goes
LEASED = round(2 * EVERY)  # seconds; one collection may be late
PAUSE = 0.05  # seconds between steps of some milliseconds: pulls and pushes come first
NAMES_SHOWN = 10
_UNKNOWN = "nothing is removed: the configuration names no expected images"


@dataclass(frozen=True, slots=True)
class Found:
    """What a collection would remove now; `plan` is None when it must not. `absent`: images that the settings keep and
    that are not here.
    """

    plan: Plan | None
    kept_back: str = ""
    absent: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """What goes by name, sorted: `repository:tag`, then `repository@digest` of manifests without a tag."""
        if self.plan is None:
            return []
        tags = [f"{one.repository}:{one.tag}" for one in self.plan.tags]
        tagged = {(one.repository, one.content.digest) for one in self.plan.tags}
        manifests = [one for one in self.plan.manifests if (one.repository, one.content.digest) not in tagged]
        return sorted(tags) + sorted(f"{one.repository}@{one.content.digest}" for one in manifests)

    def status(self) -> dict[str, Any]:
        """`status.store.collect` of RegistryReplica."""
        plan = self.plan
        return {
            "tags": len(plan.tags) if plan else 0,
            "blobs": len(plan.content) if plan else 0,
            "bytes": plan.size if plan else 0,
            "names": self.names[:NAMES_SHOWN],
            "keptBack": self.kept_back,
        }


class Collection:
    """Collects `store`; `check` has the images that are expected, `modules` the versions of modules that run, by
    name; `keep` stays besides. `changed` is told when `status` is new.
    """

    def __init__(
        self,
        store: Store,
        alias: str,
        check: Check | None,
        *,
        keep_releases: int,
        modules: Mapping[str, str],
        keep: Sequence[KeptImage] = (),
        changed: Callable[[], None],
    ) -> None:
        self._store, self._changed = store, changed
        self._keeping, self._keep_releases, self._modules = Keeping(store, alias), keep_releases, modules
        self._leasing = Leasing(store, alias, keep, seconds=LEASED)
        self._expected: Sequence[Image] = check.images if check else ()
        self._status = Found(None).status()

    def status(self) -> dict[str, Any]:
        """`status.store.collect` of RegistryReplica, as of the last look."""
        return self._status

    async def run(self) -> None:
        """Collect for ever. Raises StoreError."""
        while True:
            await self.look()
            await asyncio.sleep(TOLD_BEFORE)
            await self.collect(pause=PAUSE)
            await self.look()
            await asyncio.sleep(EVERY - TOLD_BEFORE)

    async def look(self) -> Found:
        """What would go now."""
        absent = await self._leasing.renew()
        if not self._expected:  # it could be any of what is here
            return self._tell(Found(None, _UNKNOWN, absent))
        kept = await self._keeping.find(
            keep_releases=self._keep_releases,
            expected=self._expected,
            modules=self._modules,
            pinned=self._leasing.tags,
        )
        return self._tell(Found(await self._store.upkeep.plan(kept.keep), kept.back, absent))

    async def collect(self, *, pause: float = 0.0) -> Removed:
        """Remove what would go now; `pause`: seconds between steps."""
        found = await self.look()
        if found.plan is None:
            return Removed()
        removed = await self._store.upkeep.carry_out(found.plan, pause=pause)
        if removed.digests or found.plan.tags:
            log.emit("info", "collected", tags=len(found.plan.tags), blobs=len(removed.digests), bytes=removed.size)
        return removed

    def _tell(self, found: Found) -> Found:
        status = found.status()
        if status != self._status:
            self._status = status
            self._changed()
        return found
