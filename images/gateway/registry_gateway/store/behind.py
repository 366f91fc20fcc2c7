"""Writing behind the network: while a thread hashes and writes, what arrives is gathered for its next round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from registry_gateway.memory import ROOM
from registry_gateway.store.errors import StoreError
from registry_gateway.store.home import Home
from registry_gateway.store.incoming import Writer


class Behind:
    """Fills `writer`; `grown` is told whenever the file has become longer."""

    def __init__(self, home: Home, writer: Writer, *, grown: Callable[[], None] = lambda: None) -> None:
        self._home, self._writer, self._grown = home, writer, grown
        self._gathered: list[bytes] = []
        self._size = 0
        self._task: asyncio.Task[None] | None = None
        self._error: StoreError | None = None

    async def write(self, data: bytes) -> None:
        """Take `data`. Raises StoreError, also one of data that was taken before."""
        if self._error is not None:
            raise self._error
        self._gathered.append(data)
        self._size += len(data)
        if self._task is None:
            self._task = asyncio.create_task(self._empty())
        while self._size >= ROOM.ahead and self._task is not None:
            await asyncio.shield(self._task)

    async def drain(self) -> None:
        """Wait until all that was taken is in the file. Raises StoreError."""
        while self._task is not None:
            await asyncio.shield(self._task)
        if self._error is not None:
            raise self._error

    async def settle(self) -> StoreError | None:
        """Wait until nothing is being written; what went wrong, if anything did."""
        while (task := self._task) is not None:
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                await asyncio.wait([task])  # who cleans up next must not meet it at work
                raise
        return self._error

    async def _empty(self) -> None:
        try:
            while self._gathered and self._error is None:
                batch, self._gathered, self._size = self._gathered, [], 0
                await self._home.write(self._append, batch)
                self._grown()
        except StoreError as error:
            self._error, self._gathered, self._size = error, [], 0
        finally:
            self._task = None

    def _append(self, batch: list[bytes]) -> None:
        for piece in batch:
            self._writer.write(piece)
