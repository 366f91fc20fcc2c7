"""Can the registries be reached, with these credentials? Asked every 30 s, for the status and the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from registry_gateway.sources.base import SourceError
from registry_gateway.sources.upstream import UpstreamSource

EVERY = 30.0  # seconds


class Probed(Protocol):
    """What can be asked whether it is there."""

    async def probe(self) -> None:
        """Raises SourceError when it is not."""
        ...


class Probes:
    """The latest verdict on every upstream. `changed` is told after every round."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.verdicts: dict[str, tuple[UpstreamSource, SourceError | None]] = {}  # by id, in the order of asking

    def status(self) -> list[dict[str, Any]]:
        """`status.upstreams` of RegistryReplica."""
        return [
            {
                "id": source.upstream.id,
                "host": source.upstream.host,
                **told(error),
            }
            for source, error in self.verdicts.values()
        ]

    async def round(self, sources: Sequence[UpstreamSource]) -> None:
        """Ask all of `sources` once; what is known of others is forgotten."""
        unique = {source.upstream.id: source for source in sources}
        errors = await asyncio.gather(*(ask(source) for source in unique.values()))
        self.verdicts = {id_: (source, error) for (id_, source), error in zip(unique.items(), errors, strict=True)}
        self._changed()

    async def run(self, sources: Sequence[UpstreamSource]) -> None:
        """Ask for ever."""
        while True:
            await self.round(sources)
            await asyncio.sleep(EVERY)


def told(error: SourceError | None) -> dict[str, Any]:
    """A verdict as reports have it."""
    return {
        "reachable": _reason(error) not in ("Unreachable", "TLSFailed"),
        "reason": _reason(error),
        "message": error.message if error else "",
    }


async def ask(source: Probed) -> SourceError | None:
    """The verdict on `source`; None when all is well."""
    try:
        await source.probe()
    except SourceError as error:
        return error
    return None


def _reason(error: SourceError | None) -> str:
    if error is None:
        return ""
    # The contract has no word for "it answers, but with 5xx"; for the reader it cannot be used now.
    return "Unreachable" if error.reason.value in ("UpstreamError", "NotFound") else error.reason.value
