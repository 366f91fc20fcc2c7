"""Whom to ask for what the store lacks, by its role (`config_store.Role`).

CACHE  of the replicas the owner of the digest, who fetches it (`peer.by_preference`), then the other replicas' stores,
       then the routes. The owner asks nobody else to fetch. So each blob is fetched from the upstream once.
COPY   the other replicas' stores; routes last, of which there are some only while modes are switched.

Whose word counts when nobody has an answer: the routes', in their order; without routes the store's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry_gateway.config_store import Role
from registry_gateway.sources import peer
from registry_gateway.sources.base import Source, SourceError
from registry_gateway.sources.ordered import NoAnswerError
from registry_gateway.sources.peer import PeerSource


@dataclass(frozen=True, slots=True)
class Chain:
    """The sources behind the store of the replica `own`. `owns`: it is asked as the owner of what it lacks."""

    role: Role
    routes: Sequence[Source]
    peers: Sequence[PeerSource]
    own: str
    owns: bool = False

    def moves(self, reference: str) -> bool:
        """Whether the routes say what the manifest `reference` is: a tag of a cache."""
        return self.role is Role.CACHE and bool(self.routes) and ":" not in reference

    def fetching(self, reference: str) -> list[Source]:
        """Whom to ask, in this order, for what is to be read whole."""
        if self.role is not Role.CACHE or self.owns:
            return [*self.peers, *self.routes]
        by_name = {one.peer.name: one for one in self.peers}
        owners: list[Source] = []
        for name in peer.by_preference(reference, [self.own, *by_name]):
            if name == self.own:
                break
            owners.append(by_name.pop(name).owner)
        return [*owners, *by_name.values(), *self.routes]

    @property
    def plain(self) -> list[Source]:
        """Whom to ask, in this order, without causing a fetch."""
        return [*self.routes, *self.peers] if self.role is Role.CACHE else [*self.peers, *self.routes]

    def in_order(self, error: NoAnswerError, missing: SourceError) -> NoAnswerError:
        """The errors in the order in which they count; `missing` is the store's."""
        if any(one.status == 416 for one in error.errors):
            return error
        replicas = {source.peer.host for source in self.peers}
        of_routes = [one for one in error.errors if one.host not in replicas]
        return NoAnswerError([*of_routes, missing, *(one for one in error.errors if one.host in replicas)])
