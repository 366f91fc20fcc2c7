"""Sources that sent other content than its digest says: for that digest they are asked after the others for a while.

The digest is known to be wrong only at the end of a body, which breaks off then; so the same source must not be the
first to be asked by whoever tries again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from registry_gateway.sources.base import Answer, Query, Source

SECONDS = 600.0  # for which a source is suspected; it may have been repaired meanwhile
_REMEMBERED = 1024  # sources and digests, the latest ones


class Suspects:
    """Who is suspected of what, in one worker."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()  # by label and digest

    def add(self, labels: Iterable[str], digest: str) -> None:
        """What came from the sources with these labels was not the content of `digest`."""
        for label in labels:
            self._until[label, digest] = self._clock() + SECONDS
            self._until.move_to_end((label, digest))
        while len(self._until) > _REMEMBERED:
            self._until.popitem(last=False)

    def marked(self, sources: Sequence[Source], digest: str) -> list[Source]:
        """`sources` in their order, suspects among them as such that ail."""
        now = self._clock()
        return [_Suspect(one) if self._until.get((one.label, digest), 0.0) > now else one for one in sources]


@dataclass(frozen=True, slots=True)
class _Suspect:
    source: Source

    @property
    def label(self) -> str:
        return self.source.label

    @property
    def ailing(self) -> bool:
        return True

    async def fetch(self, query: Query) -> Answer:
        return await self.source.fetch(query)
