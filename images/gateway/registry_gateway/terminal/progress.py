"""A line on standard error that tells how far a long command is; only for a person, only when it takes long."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TextIO

AFTER, EVERY = 1.0, 0.2  # seconds
_CLEAR = "\r\x1b[K"


@asynccontextmanager
async def shown(
    text: Callable[[], str], *, stream: TextIO | None = None, after: float = AFTER, every: float = EVERY
) -> AsyncIterator[None]:
    """Show `text()` while the block runs, if `stream` (standard error) is a terminal; leave no trace of it."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield
        return
    showing = asyncio.create_task(_show(text, stream, after, every))
    try:
        yield
    finally:
        showing.cancel()
        stream.write(_CLEAR)
        stream.flush()


async def _show(text: Callable[[], str], stream: TextIO, after: float, every: float) -> None:
    await asyncio.sleep(after)
    while True:
        stream.write(_CLEAR + text())
        stream.flush()
        await asyncio.sleep(every)
