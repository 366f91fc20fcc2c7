"""A limit of bytes a second, for work that may take its time."""

from __future__ import annotations

import asyncio


class Pace:
    """Keeps all who share it to `rate` bytes a second together, by waiting after what was read; 0: no limit."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def spent(self, length: int) -> None:
        """`length` bytes were read."""
        if not self._rate:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + length / self._rate
        await asyncio.sleep(self._free_at - now)
