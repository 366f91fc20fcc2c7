"""Following a file while another task, maybe of another process, fills it.

One `fstat` tells all: the length, the mode WHOLE once the content is verified, no name left when it was given up. In
the writer's own process readers are woken by it; elsewhere one task per file looks every POLL seconds, as long as
somebody waits. The last byte is held back until the content is verified, so that wrong content never ends cleanly.
"""

from __future__ import annotations

import asyncio
import io
import os
import stat
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from registry_gateway.store import locks, reading
from registry_gateway.store.errors import FetchFailedError
from registry_gateway.store.home import Home
from registry_gateway.store.incoming import WHOLE

POLL = 0.01  # seconds
_DEAD_AFTER = 1.0  # seconds without growth before the writer's lock is looked at
STALLED_AFTER = (
    300.0  # seconds without growth after which nothing is expected any more; fetches end earlier by themselves
)


class Watch:
    """The state of one file in this process, shared by all that follow it here."""

    def __init__(self, file: io.FileIO, total: int) -> None:
        self.total, self.available, self.followers = total, 0, 0
        self._file = file
        self._failure = ""
        self._changed = asyncio.Event()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self.look()

    def fileno(self) -> int:
        """The descriptor that all read from."""
        return self._file.fileno()

    @property
    def failed(self) -> bool:
        """Whether no more will come."""
        return bool(self._failure)

    def look(self) -> None:
        """See how far the file is, and wake who waits."""
        found = os.fstat(self._file.fileno())
        before = self.available, self._failure
        if stat.S_IMODE(found.st_mode) == WHOLE:
            self.available, self._failure = self.total, ""
        else:
            self.available = max(self.available, min(found.st_size, self.total - 1))
            if found.st_nlink == 0:
                self._failure = "the fetch was given up, or brought something else than the digest says"
        if (self.available, self._failure) != before:
            self._changed.set()
            self._changed = asyncio.Event()

    async def beyond(self, position: int) -> int:
        """Wait for bytes behind `position`; returns how many there are. Raises FetchFailedError."""
        self.look()
        while self.available <= position:
            if self._failure:
                raise FetchFailedError(self._failure)
            self._waiting += 1
            if self._task is None:
                self._task = asyncio.create_task(self._poll())
            try:
                await self._changed.wait()
            finally:
                self._waiting -= 1
        return self.available

    def close(self) -> None:
        """End it; nobody follows any more."""
        if self._task is not None:
            self._task.cancel()
        self._file.close()

    async def _poll(self) -> None:
        clock = asyncio.get_running_loop().time
        reached, since = self.available, clock()
        try:
            while self._waiting and not self._failure:
                await asyncio.sleep(POLL)
                self.look()
                if self.available > reached:
                    reached, since = self.available, clock()
                elif clock() - since > _DEAD_AFTER and self.available < self.total:
                    self._suspect(clock() - since)
        finally:
            self._task = None

    def _suspect(self, idle: float) -> None:
        if not locks.is_held(self._file.fileno()):
            self.look()  # it may have ended well a moment ago
            if self.available < self.total:
                self._fail("the process that fetched it has died")
        elif idle > STALLED_AFTER:
            self._fail("nothing came for too long")

    def _fail(self, reason: str) -> None:
        self._failure = reason
        self._changed.set()


class Growing:
    """Content on its way, `total` bytes; close it."""

    def __init__(self, home: Home, watch: Watch, *, left: Callable[[Watch], None]) -> None:
        self.total = watch.total
        self._home, self._watch, self._left = home, watch, left
        self._open = True

    async def pieces(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes | bytearray]:
        """Bytes `start` to before `stop`, as they come. Raises FetchFailedError when they will not."""
        position, end = start, self.total if stop is None else min(stop, self.total)
        while position < end:
            available = await self._watch.beyond(position)
            length = min(reading.PIECE, available - position, end - position)
            piece = await reading.read(self._home, self._watch.fileno(), length, position)
            if not piece:
                raise FetchFailedError("the file became shorter while it was followed")
            yield piece
            position += len(piece)

    def close(self) -> None:
        """Follow no more."""
        if self._open:
            self._open = False
            self._left(self._watch)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()
