"""Last use, written in batches: a pull costs no write. What matters for collection is written at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from registry_gateway.store.errors import StoreError
from registry_gateway.store.home import Home

BATCH_SECONDS = 30.0  # at most so long does a use stay in memory only


class Uses:
    """Notes uses of this process. A use is late in the index by BATCH_SECONDS at most, and never so when the last
    known one is older than half of the grace time: then it may be all that keeps content from being collected.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._noted: dict[int, int] = {}
        self._wake, self._writing = asyncio.Event(), asyncio.Lock()
        self._task = asyncio.create_task(self._write_in_batches())

    def note(self, identity: int, used: int) -> None:
        """Content was used now, and `used` is what the index had as its last use. Never fails, never waits."""
        self._noted[identity] = self._home.now()
        if self._is_stale(used):
            self._wake.set()

    async def renew(self, identity: int, used: int) -> bool:
        """As `note`, and when it matters wait until it is written; whether it was."""
        self._noted[identity] = self._home.now()
        return self._is_stale(used) and await self.flush()

    async def flush(self) -> bool:
        """Write what was noted; whether that was possible. On a full disk it is not: then it is tried again later, and
        reading and making room go on.
        """
        async with self._writing:  # what another task is writing is written too when this returns
            noted, self._noted = self._noted, {}
            try:
                if noted:
                    await self._home.write(self._write, noted)
            except StoreError:
                self._noted = {**noted, **self._noted}
                return False
        return True

    async def close(self) -> None:
        """Write the last ones, if that is possible."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()

    def _is_stale(self, used: int) -> bool:
        return used < self._home.now() - self._home.grace // 2

    def _write(self, noted: Mapping[int, int]) -> None:
        with self._home.database.writing(durable=False) as connection:
            connection.executemany(
                "UPDATE content SET used = max(used, ?) WHERE id = ?", [(used, one) for one, used in noted.items()]
            )

    async def _write_in_batches(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BATCH_SECONDS):  # `wait_for` may take a cancellation for the event
                    await self._wake.wait()
            self._wake.clear()
            await self.flush()
