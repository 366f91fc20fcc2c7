"""Stored content, open for reading: locked against eviction as long as it is open."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from registry_gateway.store import locks
from registry_gateway.store.errors import MediumError, StoreError
from registry_gateway.store.home import Home

PIECE = 256 * 1024  # bytes; larger ones cost more memory traffic than they save calls
_AT_ONCE = getattr(os, "RWF_NOWAIT", 0)  # read from memory, or say that the disk would have to be waited for


class Blob:
    """The content of `digest`, `size` bytes; close it. `lost` is called when the disk does not give all of it."""

    def __init__(
        self, home: Home, file: io.FileIO, digest: str, size: int, *, lost: Callable[[int], Awaitable[None]]
    ) -> None:
        self.digest, self.size = digest, size
        self._home, self._file, self._lost = home, file, lost

    def fileno(self) -> int:
        """The descriptor, for those who send files themselves; its offset belongs to nobody."""
        return self._file.fileno()

    async def pieces(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes | bytearray]:
        """Bytes `start` to before `stop`. Raises StoreError, MediumError also when the file is shorter than it was."""
        position, end = start, self.size if stop is None else min(stop, self.size)
        while position < end:
            piece = await self._piece(min(PIECE, end - position), position)
            yield piece
            position += len(piece)

    async def _piece(self, length: int, position: int) -> bytes | bytearray:
        try:
            piece = await read(self._home, self._file.fileno(), length, position)
            if not piece:
                raise MediumError("stored content has become shorter than it was and has been put aside")
        except MediumError:
            with contextlib.suppress(StoreError):  # the first error counts
                await self._lost(self._file.fileno())
            raise
        return piece

    def close(self) -> None:
        """Let go of the content."""
        self._file.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


def open_file(path: Path) -> io.FileIO | None:
    """Open content and lock it against removal; waits for a removal under way. Blocks. None when it is not there."""
    try:
        file = io.FileIO(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "r")
    except FileNotFoundError:
        return None
    locks.share(file.fileno())
    if os.fstat(file.fileno()).st_nlink == 0:
        file.close()
        return None
    return file


async def read(home: Home, descriptor: int, length: int, offset: int) -> bytes | bytearray:
    """At most `length` bytes at `offset`: at once when they are in memory, else from a thread. Raises StoreError."""
    if _AT_ONCE:
        piece = bytearray(length)
        try:
            found = os.preadv(descriptor, [piece], offset, _AT_ONCE)
        except OSError:  # not in memory, or a file system that cannot tell: then the thread decides
            found = 0
        if found > 0:
            del piece[found:]
            return piece
    return await home.read(os.pread, descriptor, length, offset)
