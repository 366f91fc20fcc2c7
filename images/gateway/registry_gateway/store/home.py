"""What the parts of one open store share: its paths, its index, threads that wait for the disk, and the clock."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from registry_gateway.store import layout
from registry_gateway.store.database import Database
from registry_gateway.store.errors import ClosedError, translated
from registry_gateway.store.paths import Paths

_READERS, _WRITERS, _KEEPERS = 8, 4, 1  # threads

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Home:
    """`now` gives Unix seconds; `grace` is how many of them content is kept for whoever may yet need it; `nice` is
    added to the niceness of the threads.
    """

    def __init__(
        self, paths: Paths, database: Database, *, grace: int, now: Callable[[], float], nice: int = 0
    ) -> None:
        self.paths, self.database, self.grace = paths, database, grace
        self._now, self._closed = now, False
        self._readers = ThreadPoolExecutor(_READERS, "store-read", _step_back, (nice,))
        # Apart: pulls never stand behind pushes, nor either behind collection or scrub.
        self._writers = ThreadPoolExecutor(_WRITERS, "store-write", _step_back, (nice,))
        self._keepers = ThreadPoolExecutor(_KEEPERS, "store-keep", _step_back, (nice,))

    def now(self) -> int:
        """Whole Unix seconds."""
        return int(self._now())

    def stamp(self) -> int:
        """Whole Unix milliseconds."""
        return int(self._now() * 1000)

    async def read(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Call `function` in a thread for those who pull. Raises StoreError."""
        return await self._run(self._readers, partial(function, *args, **kwargs))

    async def write(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Call `function` in a thread for those who push or fetch. Raises StoreError."""
        return await self._run(self._writers, partial(function, *args, **kwargs))

    async def keep(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Call `function` in the one thread for upkeep. Raises StoreError."""
        return await self._run(self._keepers, partial(function, *args, **kwargs))

    def publish(self, repository: str) -> None:
        """Make the layout of `repository` follow the index. Blocks."""
        layout.publish(self.paths, self.database, repository)

    async def close(self) -> None:
        """Wait for what is under way and close the index; whoever calls from now on gets ClosedError."""
        self._closed = True
        for end in (self._keepers.shutdown, self._writers.shutdown, self._readers.shutdown, self.database.close):
            await asyncio.get_running_loop().run_in_executor(None, end)

    async def _run(self, pool: ThreadPoolExecutor, call: Callable[[], Result]) -> Result:
        if self._closed:
            raise ClosedError("the store was closed; ask again")
        return await _run(pool, call)


async def _run(pool: ThreadPoolExecutor, call: Callable[[], Result]) -> Result:
    future = asyncio.get_running_loop().run_in_executor(pool, _guarded, call)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        # A thread cannot be stopped; whoever cleans up next must not meet it at work, nor a file that it opened.
        await asyncio.wait([future])
        if not future.cancelled() and future.exception() is None:
            _let_go(future.result())
        raise


def _step_back(nice: int) -> None:
    """Make this thread nicer; its I/O priority follows (ioprio_set(2): "(cpu_nice + 20) / 5")."""
    if nice:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + nice)


def _guarded(call: Callable[[], Result]) -> Result:
    with translated():
        return call()


def _let_go(result: object) -> None:
    if isinstance(result, tuple):
        for one in result:
            _let_go(one)
    elif callable(close := getattr(result, "close", None)):
        close()
