"""Whom clients' requests for an image lead to, in which order, and whose answer they get: what `supplies` and
`sources/through` do when they serve, without fetching anything into a store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry_gateway.config import Config
from registry_gateway.config_store import Role
from registry_gateway.sources.base import Answer, Query, Source, SourceError
from registry_gateway.sources.chain import Chain
from registry_gateway.sources.ordered import NoAnswerError, first_answer
from registry_gateway.sources.peer import Owner, PeerSource
from registry_gateway.sources.stored import StoredSource
from registry_gateway.sources.through import REFUSALS
from registry_gateway.supplies import spare
from registry_gateway.target import Kind


@dataclass(frozen=True, slots=True)
class Found:
    """What one source says: the digest of the content ("" when it is of no use), or the error for which the next one
    is asked.
    """

    digest: str = ""
    refusal: SourceError | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """The way of requests for what `reference` names. `fresh`: the store need not ask again what that tag is."""

    reference: str
    config: Config
    routes: Sequence[Source]
    stored: StoredSource
    peers: Sequence[PeerSource]
    own: str
    fresh: bool

    @property
    def chain(self) -> Chain | None:
        """What is behind the store; None when the store comes behind."""
        store = self.config.store
        if store is None or store.role is Role.SPARE:
            return None
        return Chain(store.role, self.routes, self.peers, self.own)

    @property
    def asks_again(self) -> bool:
        """Whether registries are asked what the reference is although the store may have it."""
        return self.chain is not None and self.chain.moves(self.reference) and not self.fresh

    def order(self, reference: str) -> list[Source]:
        """Who is asked for `reference`, first come first."""
        chain = self.chain
        if chain is None:
            return spare(self.routes, self.stored, self.peers) if self.config.store else [*self.routes]
        if chain.moves(reference):
            if self.asks_again:
                return [*self.routes, self.stored, *self.peers]
            return [self.stored, *self.routes, *self.peers]
        return [self.stored, *(_without_fetching(source) for source in chain.fetching(reference))]

    def chosen(self, found: Mapping[Source, Found]) -> Source:
        """Whose content clients get for the reference itself. Raises NoAnswerError: what they are told."""
        if not self.asks_again:
            return self._first(found, self.order(self.reference))
        try:
            route = self._first(found, self.routes)
        except NoAnswerError as error:
            if error.best.reason in REFUSALS:
                raise
            try:
                return self._first(found, [self.stored, *self.peers])
            except NoAnswerError:
                raise error from None
        same = bool(found[route].digest) and found[self.stored].digest == found[route].digest
        return self.stored if same else route

    def _first(self, found: Mapping[Source, Found], order: Sequence[Source]) -> Source:
        errors = []
        for source in order:
            refusal = found[source].refusal
            if refusal is None:
                return source
            errors.append(refusal)
        raise self.counting(order, errors)

    def counting(self, order: Sequence[Source], errors: Sequence[SourceError]) -> NoAnswerError:
        """`errors` of `order` as they count."""
        chain, error = self.chain, NoAnswerError(errors)
        if chain is None or not order or order[0] is not self.stored:
            return error
        return chain.in_order(NoAnswerError(errors[1:]), errors[0])

    def served_by(self, chosen: Source) -> Source:
        """A source that has what clients get: the image itself from `chosen`, its parts from whoever has them."""
        return _Served(self, chosen)


@dataclass(frozen=True, slots=True)
class _Served:
    way: Way
    chosen: Source

    @property
    def label(self) -> str:
        return self.chosen.label

    @property
    def ailing(self) -> bool:
        return False

    async def fetch(self, query: Query) -> Answer:
        if query.kind is Kind.MANIFEST and query.reference == self.way.reference:
            return await self.chosen.fetch(query)
        order = self.way.order(query.reference)
        try:
            return await first_answer(order, query)
        except NoAnswerError as error:
            raise self.way.counting(order, error.errors).best from None


def _without_fetching(source: Source) -> Source:
    """`source`, asked for what it has only."""
    return source.source if isinstance(source, Owner) else source
