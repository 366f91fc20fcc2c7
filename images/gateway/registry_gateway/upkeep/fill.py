"""The expected images into this replica's own store: from other replicas, else from registries, again and again."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from registry_gateway import log, names
from registry_gateway.check.progress import ERRORS_SHOWN, Progress, describe
from registry_gateway.check.walk import CONCERNS_ALL, HOPELESS_AFTER
from registry_gateway.config import Check
from registry_gateway.pace import Pace
from registry_gateway.sources.base import Reason, Source, SourceError
from registry_gateway.store.errors import StoreError, UnknownError
from registry_gateway.store.store import Store
from registry_gateway.upkeep.copying import Copier

PARALLEL = 3  # images at a time; a container runtime loads as many layers
LOOK_EVERY = 10.0  # seconds; whether all that is expected is still whole costs a question to the index for each image
RETRY_AFTER, RETRY_AT_MOST = 10.0, 60.0  # seconds until a failed image is tried again, doubled each time
_FULL = "the data directory's disk has too little room for it; free space, or give the store a larger disk"
TAG_EVERY = 300.0  # seconds until the registry to fill from is asked whether a tag still names the same


class Fill:
    """Fills `repository` of `store` with the images of `check`. `peers` are asked first, then `registries` (those to
    fill from), then `routes`; as fast as `pace` allows, and not while the disk is `full()`. `changed` is told of each
    new result. `name` is that of this replica: each begins with other images, so that they can take the rest from
    each other.
    """

    def __init__(
        self,
        check: Check,
        store: Store,
        repository: str,
        *,
        peers: Sequence[Source] = (),
        registries: Sequence[Source] = (),
        routes: Sequence[Source] = (),
        name: str = "",
        full: Callable[[], bool] = lambda: False,
        pace: Pace,
        changed: Callable[[], None],
        counted: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._repository, self._registries = store, repository, registries
        self._changed, self._clock, self._full = changed, clock, full
        upstreams = tuple(dict.fromkeys([*registries, *routes]))
        self._copier = Copier(store, repository, "", peers=peers, upstreams=upstreams, pace=pace, counted=counted)
        self._from_registries = Copier(store, repository, "", upstreams=registries, pace=pace, counted=counted)
        self._tries: dict[str, int] = {}  # by reference: in a row, that failed
        self._due: dict[str, float] = {}  # by reference: when to copy again, by the clock
        self._failures = 0  # in a row and this round, of those that concern all
        self._last: SourceError | None = None
        self.progress: Progress = Progress(check, {})
        self.has_source = bool(peers or upstreams)
        self._order = sorted(
            self.progress.references, key=lambda one: hashlib.sha256(f"{name} {one}".encode()).digest()
        )

    def status(self) -> dict[str, Any]:
        """Part of `status.store.fill` of RegistryReplica."""
        failed = self.progress.failed
        return {
            "total": len(self.progress.images),
            "done": self.progress.checked - len(failed),
            "failed": len(failed),
            "errors": [describe(*pair) for pair in failed[:ERRORS_SHOWN]],
        }

    async def run(self) -> None:
        """Fill for ever."""
        while True:
            await self.round()
            await asyncio.sleep(LOOK_EVERY)

    async def round(self) -> None:
        """Copy what is missing and due."""
        self._failures = 0
        waiting = list(self._order)

        async def work() -> None:
            while waiting:
                await self._one(waiting.pop())

        async with asyncio.TaskGroup() as group:
            for _ in range(PARALLEL):
                group.create_task(work())

    async def _one(self, reference: str) -> None:
        error: SourceError | None = None
        whole = await self._is_whole(reference)
        if self._due.get(reference, 0.0) <= self._clock():
            if not whole:
                error = await self._copy(reference, self._copier)
                whole = error is None and await self._is_whole(reference)
                if error is None and not whole:  # a tag that is still to come from the replica that has it
                    self._due[reference] = self._clock() + RETRY_AFTER
            elif self._registries and not names.is_digest(reference):
                await self._copy(reference, self._from_registries)  # what is here stays when there is no answer
        results = self.progress.results
        if whole and results.get(reference, reference) is not None:
            results[reference] = None
        elif error:
            results[reference] = error
        elif not whole and results.get(reference, reference) is None:
            del results[reference]
        else:
            return
        self._changed()

    async def _copy(self, reference: str, copier: Copier) -> SourceError | None:
        if self._last and self._failures >= HOPELESS_AFTER:
            return self._failed(reference, self._last)  # it is away, or would lock the account; until the next round
        if self._full():
            return self._failed(reference, SourceError(Reason.UPSTREAM_ERROR, _FULL))
        try:
            await copier.image(reference)
        except SourceError as error:
            return self._failed(reference, error)
        except StoreError as error:
            what = f"{reference} cannot be stored: {error.message}"
            return self._failed(reference, SourceError(Reason.UPSTREAM_ERROR, what))
        self._failures = 0
        self._tries.pop(reference, None)
        self._due[reference] = self._clock() + (0.0 if names.is_digest(reference) else TAG_EVERY)
        return None

    def _failed(self, reference: str, error: SourceError) -> SourceError:
        tries = self._tries[reference] = self._tries.get(reference, 0) + 1
        asked = float(error.retry_after) if error.retry_after.isascii() and error.retry_after.isdigit() else 0.0
        self._due[reference] = self._clock() + max(asked, min(RETRY_AFTER * 2 ** min(tries - 1, 8), RETRY_AT_MOST))
        self._failures = self._failures + 1 if error.reason in CONCERNS_ALL or error.status == 429 else 0
        before = self.progress.results.get(reference)
        if error is not self._last and (before is None or before.message != error.message):
            log.emit("warning", "image not copied", reference=reference, reason=error.reason.value, error=error.message)
        self._last = error
        return error

    async def _is_whole(self, reference: str) -> bool:
        try:
            return not await self._store.contents.missing(self._repository, reference)
        except UnknownError:
            return False
