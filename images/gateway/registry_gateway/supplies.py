"""Who answers whom, by the role of the store in the configuration in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry_gateway.config import Config
from registry_gateway.config_store import Role
from registry_gateway.sources.base import Answer, Query, Source
from registry_gateway.sources.chain import Chain
from registry_gateway.sources.flights import Flights
from registry_gateway.sources.manifests import Manifests
from registry_gateway.sources.ordered import Failed, Ordered, Supply
from registry_gateway.sources.peer import Ask, Asking, PeerSource
from registry_gateway.sources.stored import StoredSource
from registry_gateway.sources.through import Through
from registry_gateway.sources.upstream import UpstreamSource
from registry_gateway.stores import Keeper
from registry_gateway.target import Kind


def spare(routes: Sequence[Source], stored: StoredSource, peers: Sequence[PeerSource]) -> list[Source]:
    """Whom to ask, in this order, when another mode has taken over from the store."""
    return [*routes, stored, *peers]


class Supplies:
    """What is being fetched by one worker, whatever the configuration; `own` is this replica's name."""

    def __init__(self, keeper: Keeper, own: str) -> None:
        self._keeper, self._own = keeper, own
        self._flights, self._manifests = Flights(keeper), Manifests(keeper)

    def for_clients(self, config: Config, routes: Sequence[Source], peers: Sequence[PeerSource]) -> Supply:
        """Who answers clients."""
        if config.store is None:
            return Ordered(routes)
        if config.store.role is Role.SPARE:
            return Ordered(spare(routes, StoredSource(self._keeper, config.alias), peers))
        return self._through(config, routes, peers, owns=False)

    @staticmethod
    def for_anonymous(routes: Sequence[UpstreamSource]) -> Supply:
        """Who answers clients without a login: registries that let everybody in, now. What stores have may have been
        pushed, or come from a registry with a login, in another mode.
        """
        return Ordered([route for route in routes if not route.upstream.user])

    def for_pushers(self, config: Config, peers: Sequence[PeerSource]) -> Supply | None:
        """Who tells those who may push what they need not push; None where nothing can be pushed.

        Never a route: it is there only while modes are switched, and what it has is not in the copy. An image counts
        when this replica has it whole; of layers it is enough that another one has them: `push` looks for them there.
        """
        if config.store is None or config.store.role is not Role.COPY:
            return None
        whole = Ordered([StoredSource(self._keeper, config.alias, whole=True)])
        return _ByKind(whole, self._through(config, (), peers, owns=False))

    def for_peer(self, config: Config, routes: Sequence[Source], peers: Sequence[PeerSource], asking: Asking) -> Supply:
        """Who answers another replica."""
        if config.store is None:
            return Ordered(())
        if asking.ask is Ask.STORE:
            return Ordered([StoredSource(self._keeper, config.alias)])
        if config.store.role is Role.SPARE:
            return Ordered([*routes, StoredSource(self._keeper, config.alias)])
        others = [source for source in peers if source.peer.name != asking.name]  # who asks has it not
        return self._through(config, routes, others, owns=True)

    async def close(self) -> None:
        """End what is being fetched."""
        await self._flights.close()
        await self._manifests.close()

    def _through(self, config: Config, routes: Sequence[Source], peers: Sequence[PeerSource], *, owns: bool) -> Supply:
        assert config.store is not None  # noqa: S101 - the callers have looked
        chain = Chain(config.store.role, routes, peers, self._own, owns)
        return Through(
            self._keeper, self._flights, self._manifests, settings=config.store, alias=config.alias, chain=chain
        )


@dataclass(frozen=True, slots=True)
class _ByKind:
    """A supply of `manifests`, and one of everything else."""

    manifests: Supply
    rest: Supply

    async def answer(self, query: Query, failed: Failed | None = None) -> Answer:
        """See `ordered.Supply`."""
        if query.kind is Kind.MANIFEST:
            return await self.manifests.answer(query)  # nothing failed when it is not here
        return await self.rest.answer(query, failed)
