"""All the work on one open store by one configuration, part beside part."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from registry_gateway import log, names
from registry_gateway.check.stored import PUSH_OR_COPY
from registry_gateway.config import Config, Upstream
from registry_gateway.config_store import Role, StoreConfig
from registry_gateway.pace import Pace
from registry_gateway.sources.base import Reason, Source, SourceError
from registry_gateway.store.errors import StoreError
from registry_gateway.store.store import Store
from registry_gateway.stores import LOOK_SECONDS
from registry_gateway.upkeep import room
from registry_gateway.upkeep.collection import Collection
from registry_gateway.upkeep.copying import Copier
from registry_gateway.upkeep.fill import Fill
from registry_gateway.upkeep.room import Room
from registry_gateway.upkeep.scrubbing import Scrubbing

RETRY_SECONDS = 10.0  # until a part that could not use the store tries again

Part = Callable[[], Awaitable[None]]
Failure = TypeVar("Failure", bound=Exception)


class Work:
    """Room and scrub for every store; fill and collection for a copy. `sources` has those of the upstreams of `config`,
    `peers` answer from their own stores; `name` is this replica's. `changed` is told when `status` is new, `counted`
    how many bytes were fetched, `met` what was wrong with the store.
    """

    def __init__(
        self,
        config: Config,
        settings: StoreConfig[Upstream],
        store: Store,
        sources: Mapping[Upstream, Source],
        peers: Sequence[Source],
        *,
        name: str,
        changed: Callable[[], None],
        counted: Callable[[int], None],
        met: Callable[[StoreError], None],
    ) -> None:
        self._changed, self._met = changed, met
        registries, routes = ([sources[one] for one in several] for several in (settings.fill, config.routes))
        upstreams = tuple(dict.fromkeys([*registries, *routes]))
        pace = Pace(settings.fill_rate)

        def copier(repository: str) -> Copier | None:
            rest = names.below(config.alias, repository)
            if rest is None:
                return None
            return Copier(store, repository, rest, peers=peers, upstreams=upstreams, pace=pace, counted=counted)

        expected = config.check.images if config.check else None
        self.error = ""
        self.store = store
        self.room = Room(store, settings, config.alias, expected, changed)
        self.scrubbing = Scrubbing(store, store.folder, copier, rate=settings.scrub_rate, changed=changed)
        self.collection: Collection | None = None
        self.fill: Fill | None = None
        self._parts: dict[str, Part] = {
            "room": self._look_for_room,
            "scrub": self.scrubbing.run,
            "repair": self.scrubbing.mend,
        }
        if settings.role is not Role.COPY:
            return
        self.collection = Collection(
            store,
            config.alias,
            config.check,
            keep_releases=settings.keep_releases,
            modules=dict(settings.modules),
            keep=settings.keep,
            changed=changed,
        )
        self._parts["collect"] = self.collection.run
        if config.check:
            self.fill = Fill(
                config.check,
                store,
                config.alias,
                peers=peers,
                registries=registries,
                routes=routes,
                name=name,
                full=lambda: self.room.full,
                pace=pace,
                changed=changed,
                counted=counted,
            )
            self._parts["fill"] = self.fill.run

    async def run(self, *, until: Callable[[], bool]) -> None:
        """Work until the store has to be let go of."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(keep(name, part, self._met)) for name, part in self._parts.items()]
            while not until():  # noqa: ASYNC110 - whose word it is has no event
                await asyncio.sleep(LOOK_SECONDS)
            for task in tasks:
                task.cancel()

    def copying(self, reference: str) -> SourceError | None:
        """Why the image `reference` is not copied (yet), and what to do; None when nobody copies it."""
        if self.fill is None or not self.fill.has_source:
            return None
        if reference not in self.fill.progress.results:
            return SourceError(Reason.NOT_FOUND, "it waits to be copied")
        error = self.fill.progress.results[reference]
        return error and SourceError(error.reason, f"{PUSH_OR_COPY}; copying it failed: {error.message}")

    def status(self) -> dict[str, Any]:
        """Parts of `status.store` of RegistryReplica."""
        usage = self.room.usage
        return {
            "bytes": usage.size if usage else 0,
            "blobs": usage.pieces if usage else 0,
            "free": usage.free if usage else 0,
            "full": self.room.full,
            "fill": self.fill and self.fill.status(),
            "collect": self.collection and self.collection.status(),
            "scrub": self.scrubbing.status(),
        }

    async def _look_for_room(self) -> None:
        """The part that asks most often tells whether the store can be used."""
        while True:
            try:
                await self.room.round()
            except StoreError as error:
                self._tell(error.message)
                raise
            self._tell("")
            await asyncio.sleep(room.LOOK_EVERY)

    def _tell(self, error: str) -> None:
        if error != self.error:
            self.error = error
            self._changed()


async def keep(name: str, part: Part, met: Callable[[StoreError], None]) -> None:
    """Run a part for ever, whatever becomes of it."""
    while True:
        try:
            await part()
        except* StoreError as errors:
            met(_first(errors))
            log.emit("error", "store cannot be used", part=name, error=_first(errors).message)
        except* Exception as errors:
            log.emit("error", "defect", part=name, error=log.where(_first(errors)))
        await asyncio.sleep(RETRY_SECONDS)


def _first(errors: ExceptionGroup[Failure]) -> Failure:
    one = errors.exceptions[0]
    return _first(one) if isinstance(one, ExceptionGroup) else one
