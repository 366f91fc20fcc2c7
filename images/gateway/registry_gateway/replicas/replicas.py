"""The other replicas, as one process of this one deals with them: a worker (`Replicas`) and the parent (`Keeper`)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from aiohttp import web

from registry_gateway import config_store, log
from registry_gateway.access import Identity
from registry_gateway.oci import Code, OciError
from registry_gateway.replicas.acknowledge import RETRY_AFTER, Acknowledger
from registry_gateway.replicas.endpoint import Endpoint
from registry_gateway.replicas.forward import forward
from registry_gateway.replicas.hold import Hold
from registry_gateway.replicas.intake import AT_A_TIME, HasRoom, Intake, unlimited
from registry_gateway.replicas.liveness import Liveness
from registry_gateway.replicas.peer import Peer, session
from registry_gateway.replicas.state import State
from registry_gateway.replicas.sync import Sync
from registry_gateway.replicas.times import TIMES, Times


class _Others:
    """Connections to the replicas but this one, and who of them lives. Must be made in a running event loop."""

    def __init__(
        self,
        peers: Sequence[config_store.Peer],
        own: str,
        context: ssl.SSLContext | None,
        times: Times,
        returned: Callable[[], None] = lambda: None,
    ) -> None:
        self._session, scheme = session(context), "https" if context else "http"
        self.peers = [
            Peer(peer.name, f"{scheme}://{peer.host}", own=own, session=self._session)
            for peer in peers
            if peer.name != own
        ]
        self.liveness = Liveness(self.peers, returned=lambda _: returned(), times=times)

    async def close(self) -> None:
        await self.liveness.close()
        await self._session.close()


def _unlisted(peers: Sequence[config_store.Peer], own: str) -> str:
    """Why nothing can be acknowledged, "" when it can: other replicas take nothing from one that they do not know."""
    if not peers or any(peer.name == own for peer in peers):
        return ""
    return f"this replica ({own}) is not among the peers of its configuration yet, pushes are refused until it is"


class Replicas:
    """What a worker of the replica `own` needs of the others in role `copy`. Close it: then what it is doing goes on to
    its end, and what comes later is refused.

    `context`: TLS with the certificate that replicas know each other by; None for plain HTTP. `has_room`: whether so
    many bytes more may be stored; without room nothing is brought here.
    """

    def __init__(
        self,
        hold: Hold,
        peers: Sequence[config_store.Peer],
        *,
        own: str,
        context: ssl.SSLContext | None,
        has_room: HasRoom = unlimited,
        times: Times = TIMES,
    ) -> None:
        self._others = _Others(peers, own, context, times)
        self._hold = hold
        self._intake = partial(Intake, room=asyncio.Semaphore(AT_A_TIME), has_room=has_room)
        self._acknowledger = Acknowledger(self._others.liveness, times=times)
        self._endpoint = Endpoint(hold, self._others.peers, self._intake)
        self._obstacle = _unlisted(peers, own)
        self._users, self._is_closed = 0, False
        self._free = asyncio.Event()
        self._free.set()

    @staticmethod
    def is_asked(path: str) -> bool:
        """Whether a request's path (raw) is for `handle`."""
        return Endpoint.is_asked(path)

    async def handle(self, request: web.BaseRequest, identity: Identity) -> web.StreamResponse:
        """Answer what another replica asks. Raises OciError."""
        with self._used():
            return await self._endpoint.handle(request, identity)

    def require_listed(self) -> None:
        """Raises OciError (503) when no push can be acknowledged, as the others do not know this replica."""
        if self._obstacle:
            raise OciError(503, Code.UNAVAILABLE, self._obstacle, retry_after=RETRY_AFTER)

    async def committed(self, repository: str, keys: Collection[str]) -> None:
        """Return when what became of `keys`, tags and digests, is at a majority of the live replicas. Raises OciError:
        503 when it cannot be.
        """
        self.require_listed()
        with self._used(), self._hold() as store:
            await self._acknowledger.committed(store, repository, keys)

    async def forward(
        self, owner: str, request: web.BaseRequest, *, begun: Callable[[web.StreamResponse], None] = lambda _: None
    ) -> web.StreamResponse:
        """Have the replica `owner` answer a request for an upload that began there. Raises OciError."""
        with self._used():
            return await forward(request, owner, self._others.liveness, begun=begun)

    async def find(self, repository: str, digests: Collection[str], *, manifests: bool) -> None:
        """Bring those of `digests` that another live replica has, blobs or `manifests` that were pushed there. Raises
        StoreError, and OciError when this is closed.
        """
        with self._used(), self._hold() as store:
            await self._others.liveness.known()
            live = self._others.liveness.live()
            await self._intake(store).find(repository, digests, live, manifests=manifests)

    async def close(self) -> None:
        """Take nothing more, and end when what is under way has ended; when cancelled, end that as well."""
        self._is_closed = True
        try:
            while self._users:
                await self._free.wait()
        finally:
            await self._acknowledger.close()
            await self._others.close()

    @contextmanager
    def _used(self) -> Iterator[None]:
        """Keep this open as long as the context lasts. Raises OciError (503) once it is closed: without others to tell,
        nothing may be acknowledged.
        """
        if self._is_closed:
            reason = "the configuration of this replica has just changed; try again"
            raise OciError(503, Code.UNAVAILABLE, reason, retry_after=RETRY_AFTER)
        self._users += 1
        self._free.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._free.set()


class Keeper:
    """What the parent does in role `copy`: keeps the store equal to the others', and knows how far it is. Close it."""

    def __init__(
        self,
        hold: Hold,
        peers: Sequence[config_store.Peer],
        *,
        own: str,
        context: ssl.SSLContext | None,
        has_room: HasRoom = unlimited,
        times: Times = TIMES,
    ) -> None:
        self.state = State()
        self._obstacle = _unlisted(peers, own)
        if self._obstacle:
            log.emit("warning", "pushes are refused", reason=self._obstacle)
        self._others = _Others(peers, own, context, times, lambda: self._sync.soon())
        intake = partial(Intake, room=asyncio.Semaphore(AT_A_TIME), has_room=has_room)
        self._sync = Sync(hold, intake, self._others.liveness, self.state, times=times)

    @property
    def live(self) -> list[str]:
        """Names of the other replicas that are alive, sorted."""
        return sorted(peer.name for peer in self._others.liveness.live())

    def status(self) -> dict[str, Any]:
        """`status.store.replicas` of RegistryReplica."""
        return {"live": self.live, "missing": self.state.missing, "error": self._obstacle or self.state.error}

    async def run(self) -> None:
        """Compare for ever."""
        await self._sync.run()

    async def close(self) -> None:
        """End what is under way; `run` must have been cancelled."""
        await self._others.close()
