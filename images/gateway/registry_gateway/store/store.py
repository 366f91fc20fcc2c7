"""Opening the store, and its parts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from registry_gateway.store import locks, rebuild
from registry_gateway.store.catching_up import catch_up
from registry_gateway.store.changes import Changes
from registry_gateway.store.contents import Contents
from registry_gateway.store.database import Database
from registry_gateway.store.errors import translated
from registry_gateway.store.fetches import Fetches
from registry_gateway.store.home import Home
from registry_gateway.store.leases import Leases
from registry_gateway.store.paths import Paths
from registry_gateway.store.shared import Shared
from registry_gateway.store.sweep import sweep
from registry_gateway.store.upkeep import Upkeep
from registry_gateway.store.uploads import Uploads
from registry_gateway.store.uses import Uses

GRACE = 3600  # seconds; longer than a client needs from its first blob to its manifest
BLOB_LIMIT = 64 * 1024**3  # bytes of one blob


class Store:
    """The store in one data directory, open in this process and maybe in others. Close it.

    `contents` reads, `changes` writes names, `uploads` and `fetches` write blobs, `leases` protects, `upkeep` evicts,
    collects and scrubs, `shared` compares with other replicas.
    """

    def __init__(self, home: Home, gate: int, *, blob_limit: int) -> None:
        self._home, self._gate = home, gate
        self._uses = Uses(home)
        self.contents = Contents(home, self._uses)
        self.changes = Changes(home)
        self.uploads = Uploads(home, limit=blob_limit)
        self.fetches = Fetches(home)
        self.leases = Leases(home)
        self.upkeep = Upkeep(home, self._uses)
        self.shared = Shared(home)

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        grace: int = GRACE,
        blob_limit: int = BLOB_LIMIT,
        nice: int = 0,
        read_only: bool = False,
        now: Callable[[], float] = time.time,
    ) -> Self:
        """Open the store in `folder`, which is made if need be.

        Nobody else has it open: an index that is missing or damaged is built again first. `grace`: seconds for which
        unneeded content is kept. `nice`: 0 to 19, by how much its threads stand back behind others for CPU and disk.
        `read_only`: change nothing, note no use; nothing is made or built, so there must be a store already.
        Raises StoreError: DamagedError when the index is and others have the store open.
        """
        home, gate = await asyncio.to_thread(_open, Paths(folder), grace, nice, now, read_only=read_only)
        return cls(home, gate, blob_limit=blob_limit)

    @property
    def folder(self) -> Path:
        """The data directory."""
        return self._home.paths.root

    async def close(self) -> None:
        """Finish what is under way."""
        await self._uses.close()
        await self._home.close()
        os.close(self._gate)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()


def _open(
    paths: Paths, grace: int, nice: int, now: Callable[[], float], *, read_only: bool = False
) -> tuple[Home, int]:
    with translated():
        if not read_only and (not paths.root.is_dir() or paths.writable):
            paths.prepare()
        writable = paths.writable and not read_only
        gate = os.open(paths.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if writable and locks.try_alone(gate) and rebuild.is_wanted(paths):
                rebuild.rebuild(paths)
            locks.share(gate)  # waits for whoever is rebuilding
            home = Home(paths, Database(paths.index, writable=writable), grace=grace, now=now, nice=nice)
            if writable:
                with contextlib.suppress(
                    OSError
                ):  # what is left in the way is tried again, and keeps nobody from reading
                    sweep(home)
                catch_up(home)
        except BaseException:
            os.close(gate)
            raise
        return home, gate
