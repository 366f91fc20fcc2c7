"""The sources of the configuration in force. What did not change keeps its connections and tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from registry_gateway.config import Upstream
from registry_gateway.sources.base import ignore
from registry_gateway.sources.transport import DEADLINES, Deadlines
from registry_gateway.sources.upstream import UpstreamSource


class Pool:
    """Upstream sources by their settings. `counted` hears (host, result) of every token request, `resumed` of every
    broken body's continuation.
    """

    def __init__(
        self,
        *,
        deadlines: Deadlines = DEADLINES,
        counted: Callable[[str, str], None] = ignore,
        resumed: Callable[[str, str], None] = ignore,
    ) -> None:
        self._deadlines, self._counted, self._resumed = deadlines, counted, resumed
        self._sources: dict[Upstream, UpstreamSource] = {}

    async def use(self, upstreams: Sequence[Upstream]) -> list[UpstreamSource]:
        """The sources for `upstreams`, in that order; those no longer named close when their last answer is read."""
        distinct = dict.fromkeys(upstreams)
        wanted = {upstream: self._sources.get(upstream) or self._make(upstream) for upstream in distinct}
        gone = [source for upstream, source in self._sources.items() if upstream not in wanted]
        self._sources = wanted
        for source in gone:
            await source.retire()
        return [wanted[upstream] for upstream in upstreams]

    async def close(self) -> None:
        """Close all of them now."""
        sources, self._sources = self._sources, {}
        await asyncio.gather(*(source.close() for source in sources.values()))

    def _make(self, upstream: Upstream) -> UpstreamSource:
        return UpstreamSource(
            upstream,
            deadlines=self._deadlines,
            counted=lambda result: self._counted(upstream.host, result),
            resumed=lambda result: self._resumed(upstream.host, result),
        )
