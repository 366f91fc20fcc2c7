"""All expected images, round after round: everything once, then what failed every 10 s, everything every 5 min."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from registry_gateway.check.progress import Progress
from registry_gateway.check.walk import CONCERNS_ALL, PARALLEL, Part, Walk
from registry_gateway.config import Check
from registry_gateway.sources.base import SourceError
from registry_gateway.sources.upstream import UpstreamSource

FAILED_EVERY = 10.0  # seconds
ALL_EVERY = 300.0


class Rounds:
    """The check of one upstream. `changed` is told when a result is new; `requests` counts what was asked.

    `before` is the check that this one takes the place of. What it found holds as long as the source is the same one:
    only images that are new are asked for, and what stood open. When everything is asked again does not move either,
    however often the list of images changes.
    """

    def __init__(
        self,
        check: Check,
        source: UpstreamSource,
        changed: Callable[[], None],
        *,
        parallel: int = PARALLEL,
        before: Rounds | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source: UpstreamSource = source
        self._changed, self._parallel, self._clock = changed, parallel, clock
        if before is not None and before._source is not source:
            before = None
        self.requests = 0
        self.progress: Progress = Progress(check, before.progress.results if before else {})
        self._all_again: float = before._all_again if before else 0.0  # by the clock, seconds
        self._open: dict[str, None] = {  # references to ask for before that
            reference: None
            for reference in self.progress.references
            if reference not in self.progress.results or (before and reference in before._open)
        }

    async def run(self) -> None:
        """Check for ever; return when there is nothing to check."""
        while self.progress.references:
            if not self._open and self._all_again <= self._clock():
                self._open = dict.fromkeys(self.progress.references)
            if self._open:
                await self.round(list(self._open))
            while (left := self._all_again - self._clock()) > 0:
                failed = self._failed()
                await asyncio.sleep(min(left, self._patience()) if failed else left)
                if failed and self._clock() < self._all_again:
                    await self.round(failed)

    async def round(self, references: Sequence[str]) -> None:
        """Ask for the images of `references` once."""
        try:
            self.requests += 1
            await self._source.probe()
        except SourceError as error:
            if error.reason in CONCERNS_ALL:
                for reference in references:
                    self._note(reference, error)
                self._changed()
                return

        def found(part: Part) -> None:
            self._note(part.reference, part.verdict())
            self._changed()

        walk = Walk(self._source, parallel=self._parallel)
        try:
            await walk.images(references, found)
        finally:
            self.requests += walk.requests

    def _note(self, reference: str, result: SourceError | None) -> None:
        self.progress.results[reference] = result
        if reference in self._open:
            del self._open[reference]
            if not self._open and self._all_again <= self._clock():
                self._all_again = self._clock() + ALL_EVERY

    def _failed(self) -> list[str]:
        return list(dict.fromkeys(image.reference for image, _ in self.progress.failed))

    def _patience(self) -> float:
        """Seconds until failed images are asked for again: longer when the registry says so."""
        asked = [error.retry_after for _, error in self.progress.failed if error.status == 429]
        return max([FAILED_EVERY, *(float(text) for text in asked if text.isascii() and text.isdigit())])
