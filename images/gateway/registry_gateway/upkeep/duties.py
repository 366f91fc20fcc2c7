"""The store in the parent process: kept open while it is wanted, worked on, and told of in the status."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from registry_gateway.always import always
from registry_gateway.check.stored import Stored
from registry_gateway.config import Config, Upstream
from registry_gateway.config_store import StoreConfig
from registry_gateway.sources.base import Source, SourceError
from registry_gateway.store.errors import StoreError
from registry_gateway.store.store import Store
from registry_gateway.stores import LOOK_SECONDS, Keeper, Opened
from registry_gateway.upkeep.work import Work, keep

NICE = 10  # so much do the threads stand back: a tenth of the CPU beside a busy worker, and lower I/O priority with it
_IDLE: Mapping[str, Any] = {
    "bytes": 0,
    "blobs": 0,
    "free": 0,
    "full": False,
    "fill": None,
    "collect": None,
    "scrub": None,
}


class Duties:
    """Looks after the store in `folder` (None: there is none) of the replica `name`. `etcd` is where etcd's data would
    be seen. `changed` is told when the status is new. `check` is that of the own store, if the configuration asks for
    it. Close it.
    """

    def __init__(self, folder: Path | None, name: str, etcd: Path, changed: Callable[[], None]) -> None:
        self._folder, self._name, self._etcd, self._changed = folder, name, etcd, changed
        self._keeper = Keeper(folder, nice=NICE)
        self._keeping: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # that of the configuration in force, and those that end
        self._settings: StoreConfig[Upstream] | None = None
        self._work: Work | None = None
        self._fetched = 0
        self.check: Stored | None = None

    def apply(self, config: Config, sources: Mapping[Upstream, Source], peers: Sequence[Source]) -> None:
        """Work by `config` from now on. `sources` has those of its upstreams; `peers` answer from their own stores."""
        if self._keeping is None:
            self._keeping = always("store", self._keeper.run)
        before = tuple(self._tasks)
        for task in before:
            task.cancel()
        self._settings, self._work, self.check = config.store, None, None
        if config.check and config.check.upstream is None:
            self.check = Stored(config.check, config.alias, self._store, self._changed, copying=self._copying)
        task = asyncio.create_task(self._run(config, sources, peers, before))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def keeper(self) -> Keeper:
        """Who has the store open."""
        return self._keeper

    async def close(self) -> None:
        """Finish what is under way."""
        tasks = [*self._tasks, *([self._keeping] if self._keeping else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._keeper.close()

    def status(self) -> dict[str, Any] | None:
        """`status.store` of RegistryReplica; None when the configuration has no store."""
        if self._settings is None:
            return None
        found = self._work.status() if self._work else dict(_IDLE)
        if found["fill"]:
            found["fill"] = {**found["fill"], "bytes": self._fetched}
        return {
            "role": self._settings.role.value,
            "limit": self._settings.size,
            "error": self._keeper.error or (self._work.error if self._work else ""),
            "warning": _shared(self._folder, self._etcd) if self._folder and self._work else "",
            **found,
        }

    async def _run(
        self,
        config: Config,
        sources: Mapping[Upstream, Source],
        peers: Sequence[Source],
        before: Sequence[asyncio.Task[None]],
    ) -> None:
        await asyncio.gather(*before, return_exceptions=True)
        await self._keeper.want(config.store is not None)
        if config.store is None:
            return
        async with asyncio.TaskGroup() as group:
            if self.check:
                group.create_task(keep("check", self.check.run, self._keeper.met))
            while True:
                self._changed()
                if (opened := self._keeper.opened) is not None:
                    with opened.held() as store:
                        await self._use(opened, config, config.store, store, sources, peers)
                await asyncio.sleep(LOOK_SECONDS)

    async def _use(
        self,
        opened: Opened,
        config: Config,
        settings: StoreConfig[Upstream],
        store: Store,
        sources: Mapping[Upstream, Source],
        peers: Sequence[Source],
    ) -> None:
        work = self._work = Work(
            config,
            settings,
            store,
            sources,
            peers,
            name=self._name,
            changed=self._changed,
            counted=self._count,
            met=self._keeper.met,
        )
        try:
            await work.run(until=lambda: self._keeper.opened is not opened)
        finally:
            if self._work is work:  # another configuration may have come
                self._work = None

    def _store(self) -> Store | None:
        if self._work is None and self._keeper.error:
            raise StoreError(self._keeper.error)
        return self._work.store if self._work else None

    def _copying(self, reference: str) -> SourceError | None:
        return self._work.copying(reference) if self._work else None

    def _count(self, length: int) -> None:
        self._fetched += length


@functools.lru_cache(maxsize=4)  # neither moves while the process runs
def _shared(folder: Path, etcd: Path) -> str:
    try:
        shared = folder.stat().st_dev == etcd.stat().st_dev
    except OSError:
        return ""  # etcd's data cannot be seen from here
    return f"{folder} is on the disk of {etcd}, and can slow it down; give the store its own disk" if shared else ""
