"""Are the expected images whole in this replica's own store? Looked at again and again: it costs a question to the
index for each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from registry_gateway import names
from registry_gateway.check.progress import Progress
from registry_gateway.config import Check
from registry_gateway.sources.base import Reason, SourceError
from registry_gateway.store.errors import StoreError, UnknownError
from registry_gateway.store.store import Store

MISSING_EVERY = 2.0  # seconds; a push or a copy may just have brought it
ALL_EVERY = 30.0
PUSH_OR_COPY = "push it, or set local.source to a registry that has it"
SHARE = 20  # a round takes at most one part in so many of the time


class Stored:
    """The check of the own store. `store()` gives it, None while it is being opened, or raises StoreError;
    `copying(reference)` is why an image was not copied from elsewhere and what to do, None when nobody copies.
    `changed` is told of each new result.
    """

    def __init__(
        self,
        check: Check,
        repository: str,
        store: Callable[[], Store | None],
        changed: Callable[[], None],
        *,
        copying: Callable[[str], SourceError | None] = lambda reference: None,  # noqa: ARG005 - nobody copies
    ) -> None:
        self.progress: Progress = Progress(check, {})
        self._repository, self._store, self._changed, self._copying = repository, store, changed, copying

    async def run(self) -> None:
        """Check for ever; return when there is nothing to check."""
        all_again = 0.0
        while self.progress.references:
            started = time.monotonic()
            if started >= all_again:
                all_again = started + ALL_EVERY
                await self.round(self.progress.references)
            else:
                results = self.progress.results
                await self.round([one for one in self.progress.references if results.get(one, one) is not None])
            await asyncio.sleep(max(MISSING_EVERY, SHARE * (time.monotonic() - started)))

    async def round(self, references: tuple[str, ...] | list[str]) -> None:
        """Look at the images of `references` once."""
        for reference in references:
            try:
                store = self._store()
            except StoreError as error:
                result: SourceError | None = _unreadable(error)
            else:
                if store is None:
                    return
                result = await self._verdict(store, reference)
            known = self.progress.results.get(reference, reference)
            if isinstance(known, str) or _text(known) != _text(result):
                self.progress.results[reference] = result
                self._changed()

    async def _verdict(self, store: Store, reference: str) -> SourceError | None:
        try:
            missing = await store.contents.missing(self._repository, reference)
        except UnknownError:
            what = "is not in the store of this replica"
        except StoreError as error:
            return _unreadable(error)
        else:
            if not missing:
                return None
            what = f"is not whole in the store of this replica: {len(missing)} of its parts are missing"
        image = f"{self._repository}{'@' if names.is_digest(reference) else ':'}{reference}"
        copying = self._copying(reference) or SourceError(Reason.NOT_FOUND, PUSH_OR_COPY)
        return SourceError(copying.reason, f"{image} {what}; {copying.message}")


def _unreadable(error: StoreError) -> SourceError:
    return SourceError(Reason.UPSTREAM_ERROR, f"the store cannot be read: {error.message}")


def _text(result: SourceError | None) -> str:
    return result.message if result else ""
