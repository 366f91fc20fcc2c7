"""The other replicas of the gateway as sources, and what a request between replicas says of itself.

Replicas ask each other with the certificate that they serve (`mount.Mounted.peer_context`) over the API that clients
use. A header tells what is wanted, so that no question goes around in a circle:

    X-Registry-Peer: <name of the asking replica>; ask=store       answer from your own store, or 404
    X-Registry-Peer: <name of the asking replica>; ask=upstream    from your store, else fetch it: you are its owner

It counts only from who has shown a peer's certificate (`access.PEER`); from everybody else it is ignored.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from registry_gateway.config import Upstream
from registry_gateway.config_store import Peer
from registry_gateway.sources.base import Answer, Query
from registry_gateway.sources.transport import DEADLINES, Deadlines
from registry_gateway.sources.upstream import UpstreamSource

HEADER = "X-Registry-Peer"
LABEL = "peer:"  # of sources in logs and metrics, before the replica's name
CONNECT_SECONDS = 1.0  # at most; replicas are in one network, and a dead one must not cost more
STORE_SECONDS = 5.0  # at most, until a replica says what its store has: others and the upstream may have it, too

_HEADER = re.compile(r"(?P<name>[A-Za-z0-9.-]{1,253}); ask=(?P<ask>store|upstream)")


class Ask(StrEnum):
    """What one replica wants of another."""

    STORE = "store"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and what for."""

    name: str
    ask: Ask

    @property
    def header(self) -> str:
        """The header's value."""
        return f"{self.name}; ask={self.ask}"

    @classmethod
    def parse(cls, header: str) -> Asking:
        """What `header` says; what cannot be understood asks for the store only, and so cannot go in a circle."""
        match = _HEADER.fullmatch(header)
        return cls(match["name"], Ask(match["ask"])) if match else cls("", Ask.STORE)


class PeerSource:
    """One other replica. Must be made inside a running event loop."""

    def __init__(
        self, peer: Peer, *, own: str, alias: str, context: ssl.SSLContext, deadlines: Deadlines = DEADLINES
    ) -> None:
        self.peer, self._own = peer, own
        upstream = Upstream(f"peer-{peer.name}", "https", peer.host, alias)
        self._inner = {
            ask: UpstreamSource(upstream, deadlines=patience(ask, deadlines), context=context) for ask in Ask
        }

    @property
    def label(self) -> str:
        """`peer:<name>`."""
        return f"{LABEL}{self.peer.name}"

    @property
    def ailing(self) -> bool:
        """Whether it failed lately, see `breaker`."""
        return any(one.ailing for one in self._inner.values())

    async def fetch(self, query: Query, ask: Ask = Ask.STORE) -> Answer:
        """Answer `query` as `ask` says. Raises SourceError."""
        headers = [*query.headers, (HEADER, Asking(self._own, ask).header)]
        answer = await self._inner[ask].fetch(replace(query, headers=headers))
        answer.source = self.label
        return answer

    async def probe(self) -> None:
        """Whether it is there and takes this replica for a peer. Raises SourceError when not."""
        await self._inner[Ask.STORE].probe()

    @property
    def owner(self) -> Owner:
        """It as who fetches what its store lacks."""
        return Owner(self)

    async def retire(self) -> None:
        """Close once the last answer in progress has been read."""
        for one in self._inner.values():
            await one.retire()

    async def close(self) -> None:
        """Close now."""
        for one in self._inner.values():
            await one.close()


@dataclass(frozen=True, slots=True)
class Owner:
    """A replica that is asked to fetch what its store lacks."""

    source: PeerSource

    @property
    def label(self) -> str:
        """`peer:<name>`."""
        return self.source.label

    @property
    def ailing(self) -> bool:
        """Whether it failed lately."""
        return self.source.ailing

    async def fetch(self, query: Query) -> Answer:
        """See `base.Source`."""
        return await self.source.fetch(query, Ask.UPSTREAM)


class Peers:
    """The sources for the other replicas of the configuration in force. What did not change keeps its connections."""

    def __init__(self, own: str, *, deadlines: Deadlines = DEADLINES) -> None:
        self._own, self._deadlines = own, deadlines
        self._context: object = None
        self._sources: dict[tuple[Peer, str], PeerSource] = {}

    async def use(
        self, peers: Iterable[Peer], *, alias: str, context: ssl.SSLContext | None, context_id: bytes
    ) -> list[PeerSource]:
        """Sources for `peers` without this replica itself; those that are not named any more end with their last
        answer. None without `context`, or without a name of this replica: then it cannot tell itself from others.
        """
        before = self._sources if context_id == self._context else {}
        wanted: dict[tuple[Peer, str], PeerSource] = {}
        if context is not None and self._own:
            for key in ((peer, alias) for peer in peers if peer.name != self._own):
                wanted[key] = before.get(key) or PeerSource(
                    key[0], own=self._own, alias=alias, context=context, deadlines=self._deadlines
                )
        kept = set(wanted.values())
        gone = [source for source in self._sources.values() if source not in kept]
        self._sources, self._context = wanted, context_id
        for source in gone:
            await source.retire()
        return list(wanted.values())

    async def close(self) -> None:
        """Close all of them now."""
        sources, self._sources = self._sources, {}
        await asyncio.gather(*(source.close() for source in sources.values()))


def by_preference(digest: str, names: Iterable[str]) -> list[str]:
    """`names` in the order in which they own `digest` (rendezvous hashing): the same one everywhere, another one for
    each digest, and when one goes only what it owned has a new owner.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{digest} {name}".encode()).digest(), reverse=True)


def patience(ask: Ask, deadlines: Deadlines) -> Deadlines:
    """How long to wait for another replica, where `deadlines` are those for an upstream.

    A store answers at once. An owner answers when its upstream has: it gets that time and some more.
    """
    connect = min(deadlines.connect, CONNECT_SECONDS)
    if ask is Ask.STORE:
        return Deadlines(connect, min(deadlines.first_byte, STORE_SECONDS), deadlines.idle)
    return Deadlines(connect, 2 * (deadlines.connect + deadlines.first_byte), 2 * deadlines.idle)
