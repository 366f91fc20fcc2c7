"""Scrub, pass after pass, and repair of what it finds: from another replica, else from a registry."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from registry_gateway import log
from registry_gateway.sources.base import SourceError
from registry_gateway.store.errors import StoreError
from registry_gateway.store.scrub import Finding, Verdict
from registry_gateway.store.store import Store
from registry_gateway.upkeep.copying import Copier
from registry_gateway.upkeep.scrub_state import OPEN_LIMIT, ScrubState

PASS_EVERY = 86_400.0  # seconds from the beginning of a pass to that of the next, at least
SAVE_EVERY = 30.0  # seconds; a restart costs so much of a pass
REPAIR_EVERY = 60.0  # seconds between attempts to repair what could not be repaired


class Scrubbing:
    """Scrubs `store` in `folder` at `rate` bytes a second (0: no limit). `copier(repository)` copies into it, None for
    one that is not of the platform. `changed` is told of damage and repair.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        copier: Callable[[str], Copier | None],
        *,
        rate: int,
        changed: Callable[[], None],
    ) -> None:
        self._store, self._folder, self._copier, self._rate, self._changed = store, folder, copier, rate, changed
        self._state = ScrubState.load(folder)
        self._found = asyncio.Event()
        self._saved = 0.0
        self._error = ""

    def status(self) -> dict[str, Any]:
        """`status.store.scrub` of RegistryReplica."""
        state = self._state
        numbers = {"checked": state.checked, "damaged": state.damaged, "repaired": state.repaired}
        return {**numbers, "lastError": self._error}

    async def run(self) -> None:
        """Scrub for ever. Raises StoreError."""
        while True:
            await asyncio.sleep(0 if self._state.cursor else self._state.began + PASS_EVERY - time.time())
            await self.scrub()

    async def mend(self) -> None:
        """Repair for ever, beside `run`."""
        while True:
            if self._state.open:
                await self.repair()
            self._found.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPAIR_EVERY):
                    await self._found.wait()

    async def scrub(self) -> None:
        """One pass, or the rest of one."""
        state = self._state
        if not state.cursor:
            state.began, state.checked = time.time(), 0
        try:
            async for finding in self._store.upkeep.scrub(rate=self._rate, cursor=state.cursor):
                state.cursor, state.checked = finding.cursor, state.checked + 1
                if finding.verdict is not Verdict.GOOD:
                    self._damaged(finding)
                if time.monotonic() - self._saved > SAVE_EVERY:
                    await self._save()
            state.cursor = 0
        finally:
            await self._save()

    async def repair(self) -> None:
        """Try to repair all that waits for it."""
        errors = []
        for digest in list(self._state.open):
            try:
                repaired = await self._repair(digest)
            except (SourceError, StoreError) as error:
                errors.append(f"{digest} is damaged and could not be repaired: {error.message}")
                continue
            self._state.open.remove(digest)
            self._state.repaired += 1  # or nobody needs it any more, which settles it as well
            log.emit("info", "content repaired" if repaired else "damaged content was not needed", digest=digest)
            await self._save()
        if errors or self._error:
            self._error = errors[-1] if errors else ""
        self._changed()

    async def _repair(self, digest: str) -> bool:
        """Put it in its place again; false when nobody needs it any more."""
        for holder in await self._store.contents.holders(digest):
            copier = self._copier(holder.repository)
            if copier is not None:
                await (copier.manifest(digest) if holder.media_type else copier.blob(digest))
                return True
        return False

    def _damaged(self, finding: Finding) -> None:
        if finding.digest not in self._state.open and len(self._state.open) < OPEN_LIMIT:
            self._state.damaged += 1
            self._state.open.append(finding.digest)
        log.emit("error", "content damaged", digest=finding.digest, verdict=finding.verdict.value)
        self._found.set()
        self._changed()

    async def _save(self) -> None:
        self._saved = time.monotonic()
        with contextlib.suppress(OSError):  # on a full disk the scrub only loses its place
            await asyncio.to_thread(self._state.save, self._folder)
