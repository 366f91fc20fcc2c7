"""A fill of a store of the test's own from a registry of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from registry_gateway.pace import Pace
from registry_gateway.sources.base import ignore
from registry_gateway.sources.upstream import UpstreamSource
from registry_gateway.store.errors import UnknownError
from registry_gateway.upkeep.fill import Fill
from tests.gateway.store import Store
from tests.gateway.stores import expected, stored
from tests.store.site import NAME, Site


@dataclass
class Filled:
    """A fill of the store in `site` from `registry`, by `source`, asked `round` by round; `clock` is the fill's."""

    site: Site
    registry: Store
    fill: Fill
    clock: list[float]
    received: list[int]
    source: UpstreamSource

    async def round(self, *, later: float = 0.0) -> dict[str, Any]:
        self.clock[0] += later
        await self.fill.round()
        return self.fill.status()

    async def whole(self, reference: str) -> bool:
        try:
            return not await self.site.store.contents.missing(NAME, reference)
        except UnknownError:
            return False

    def blobs_asked(self) -> list[str]:
        return [path for path in self.registry.asked("GET") if path.startswith("blobs/")]


@asynccontextmanager
async def filling(
    registry: Store, *references: str, peers: Sequence[UpstreamSource] = (), **options: Any
) -> AsyncIterator[Filled]:
    clock, received = [0.0], list[int]()
    async with registry.source() as source, stored() as site:
        fill = Fill(
            expected(*references),
            site.store,
            NAME,
            peers=peers,
            **{"registries": [source], "pace": Pace(0), **options},
            changed=ignore,
            counted=received.append,
            clock=lambda: clock[0],
        )
        yield Filled(site, registry, fill, clock, received, source)
