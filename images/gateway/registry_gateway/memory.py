"""Memory of a worker: what each body that passes may hold back, and what the allocator keeps after a rush.

Large buffers save a fifth of the CPU per byte and cost three MiB for a client that does not read. So a few streams
have them; as soon as there are many, new ones make do with little.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

FEW = 8  # streams of one worker: its CPU has enough to do with these
TRIM_SECONDS = 30.0


class Room:
    """Bodies that this process sends and receives now, and the sizes (bytes) that go with their number."""

    def __init__(self) -> None:
        self._streams = 0

    @contextmanager
    def stream(self) -> Iterator[None]:
        """One more, for as long as the context lasts."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    @property
    def crowded(self) -> bool:
        """Whether there are more than a few."""
        return self._streams > FEW

    @property
    def read_buffer(self) -> int:
        """Of a body, waiting for its client or for the disk; aiohttp keeps up to twice that and one read more."""
        return 64 * 1024 if self.crowded else 256 * 1024

    @property
    def write_buffer(self) -> int:
        """Written and waiting for the client, before the upstream is made to wait as well."""
        return 64 * 1024 if self.crowded else 512 * 1024

    @property
    def ahead(self) -> int:
        """Gathered for the disk, beside as much that is being written, before the sender is made to wait."""
        return 128 * 1024 if self.crowded else 1024 * 1024

    @property
    def slice(self) -> int:
        """Written at a time: TLS keeps a buffer as large as the largest write, for each connection."""
        return 64 * 1024 if self.crowded else 1024 * 1024


ROOM = Room()


def trim() -> None:
    """Give back what is free; milliseconds, or nothing where the C library has no such call.

    Buffers of connections lie between smaller things that live on; glibc gives such gaps back only when it is told to.
    After 200 slow streams a worker keeps some 300 MiB otherwise, for as long as it lives.
    """
    call = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if call is not None:
        call(0)


async def keep_trimmed() -> None:
    """Do so for ever."""
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        trim()
