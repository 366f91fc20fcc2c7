"""The store of this process while the configuration wants one: opened, let go of, opened again when it can be.

Every process of the gateway, the parent included, has a `Keeper` on the same data directory:

    keeper = Keeper(folder)
    await keeper.want(config.store is not None)         # at each configuration
    task = asyncio.create_task(keeper.run())            # looks after it, for ever
    if (opened := keeper.opened) is not None:
        with opened.held() as store:                    # it stays open that long, whatever the configuration says
            ...
    keeper.error                                        # why there is none though one is wanted; for status and log

A store that cannot be opened stops nobody: there is none until a later look finds that it can.

A damaged index is rebuilt only when no process has the store open. Whoever meets damage says so by the file `rebuild`
in the data directory (`Keeper.met`); every keeper sees that, lets go, and the first that finds the store held by
nobody opens it, which rebuilds. No process has to end for that, and meanwhile requests are passed through.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from registry_gateway import log
from registry_gateway.store import locks
from registry_gateway.store.errors import DamagedError, StoreError, translated
from registry_gateway.store.paths import Paths
from registry_gateway.store.store import Store

LOOK_SECONDS = 1.0  # between looks
OPEN_SECONDS = 2.0  # that a new configuration waits for the store; a rebuild takes longer and is not waited for
HOLD_SECONDS = 60.0  # that holders of the old store have while a new one waits: one slow client must not keep it closed


class Opened:
    """A store that is open in this process. Once let go of, it closes when nobody holds it any more."""

    def __init__(self, store: Store, index: int) -> None:
        self.index = index  # inode: another one means that somebody has replaced the data
        self._store, self._holders = store, 0
        self._free = asyncio.Event()
        self._free.set()
        self._late: asyncio.TimerHandle | None = None
        self._is_late = False

    @contextmanager
    def held(self) -> Iterator[Store]:
        """The store, open as long as the context lasts."""
        self._holders += 1
        self._free.clear()
        try:
            yield self._store
        finally:
            self._holders -= 1
            if not self._holders:
                self._free.set()

    async def close(self) -> None:
        """Close it once nobody holds it, or when the time that `hurry` has given is over."""
        while self._holders and not self._is_late:
            await self._free.wait()
        if self._late is not None:
            self._late.cancel()
        if self._holders:
            log.emit("warning", "the store is closed under those who use it still", holders=self._holders)
        await self._store.close()

    def hurry(self) -> None:
        """Give holders HOLD_SECONDS from the first call on; what they want of the store after that fails."""
        if self._late is None:
            self._late = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._is_late = True
        self._free.set()


class Keeper:
    """Follows what is wanted and what can be had of the store in `folder`; None: no data directory was given. `nice`:
    by how much the store's threads stand back behind others.
    """

    def __init__(self, folder: Path | None, *, nice: int = 0) -> None:
        self.opened: Opened | None = None
        self.error = ""
        self._paths = Paths(folder) if folder is not None else None
        self._wanted, self._nice = False, nice
        self._looking = asyncio.Lock()
        self._closing: dict[asyncio.Task[None], Opened] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def folder(self) -> Path | None:
        """The data directory."""
        return self._paths.root if self._paths is not None else None

    async def want(self, wanted: bool) -> None:
        """Have a store from now on, or none; opening it is waited for a moment only."""
        self._wanted = wanted
        task = asyncio.create_task(self._look())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait((task,), timeout=OPEN_SECONDS)

    async def run(self) -> None:
        """Look after it for ever."""
        while True:
            await self._look()
            await asyncio.sleep(LOOK_SECONDS)

    def met(self, error: StoreError) -> None:
        """Be told what a user of the store has met. Damage makes every process let go of it."""
        if isinstance(error, DamagedError) and self._paths is not None:
            with suppress(OSError):  # a disk that takes nothing: then the store goes on as it is
                self._paths.rebuild_wanted.touch()

    async def close(self) -> None:
        """Let go of the store and wait until it is closed; whoever still holds it must be ending."""
        self._wanted = False
        await self._look()
        await asyncio.gather(*self._closing, *self._tasks)

    async def _look(self) -> None:
        async with self._looking:
            before = self.error
            try:
                await self._follow()
            except StoreError as error:
                self.error = error.message
            except Exception as error:  # a defect; whoever looks next may be luckier
                self.error = f"internal error: {log.where(error)}"
            if self.error and self.error != before:
                log.emit("error", "the store cannot be used, requests are passed through", reason=self.error)

    async def _follow(self) -> None:
        opened, paths = self.opened, self._paths
        if not self._wanted or paths is None:
            self._let_go()
            self.error = "no data directory was given (--data)" if self._wanted else ""
            return
        if opened is not None and (paths.rebuild_wanted.exists() or _inode(paths.index) != opened.index):
            log.emit("warning", "the store is let go of: its index is damaged or was replaced")
            self._let_go()
        if self.opened is not None:
            return
        for closing in self._closing.values():
            closing.hurry()
        if bool(self._closing) or await asyncio.to_thread(_must_wait, paths):
            self.error = "the index is damaged or gone; it is rebuilt when every process has let go of the store"
            return
        store = await Store.open(paths.root, nice=self._nice)
        self.opened, self.error = Opened(store, _inode(paths.index)), ""
        log.emit("info", "store opened", folder=str(paths.root))

    def _let_go(self) -> None:
        opened, self.opened = self.opened, None
        if opened is not None:
            task = asyncio.create_task(opened.close())
            self._closing[task] = opened
            task.add_done_callback(self._closing.pop)


def _must_wait(paths: Paths) -> bool:
    """Whether the index has to be rebuilt while others have the store open. Blocks. Raises StoreError."""
    with translated():
        if not paths.root.is_dir() or not _is_rebuilt_next(paths):
            return False
        descriptor = os.open(paths.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Held by one alone: it is being rebuilt just now, and opening waits for that.
            if locks.try_alone(descriptor) or locks.is_held(descriptor):
                return False
        finally:
            os.close(descriptor)
        return _is_rebuilt_next(paths)


def _is_rebuilt_next(paths: Paths) -> bool:
    return paths.rebuild_wanted.exists() or not paths.index.exists()


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
