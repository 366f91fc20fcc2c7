"""Anti-entropy: this replica compares itself with every other one and brings here what it lacks.

Only differences travel: first a hash per repository, then the names of those that differ, then what is later there.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from registry_gateway import log
from registry_gateway.replicas.hold import Hold
from registry_gateway.replicas.intake import AbsentError, Intake
from registry_gateway.replicas.liveness import Liveness
from registry_gateway.replicas.peer import Peer, PeerError
from registry_gateway.replicas.state import State
from registry_gateway.replicas.times import TIMES, Times
from registry_gateway.store.errors import ContentMissingError, StoreError, UnwritableError
from registry_gateway.store.stamps import Stamped
from registry_gateway.store.store import Store


class Sync:
    """Keeps the store that `hold` gives equal to those of the peers in `liveness`; `state` says how far that is."""

    def __init__(
        self,
        hold: Hold,
        intake: Callable[[Store], Intake],
        liveness: Liveness,
        state: State,
        *,
        times: Times = TIMES,
    ) -> None:
        self._hold, self._intake_of, self._liveness, self._state = hold, intake, liveness, state
        self._times = times
        self._wake = asyncio.Event()
        self._absent: dict[tuple[str, str], float] = {}  # repository and digest of what no peer has, when they said so

    def soon(self) -> None:
        """Compare again without waiting for the next round: a peer has returned."""
        self._absent.clear()
        self._wake.set()

    async def run(self) -> None:
        """Compare for ever."""
        await self._liveness.known()
        while True:
            self._wake.clear()
            await self.round()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._times.interval):  # `wait_for` may take a cancellation for the event
                    await self._wake.wait()

    async def round(self) -> None:
        """Compare once with every live peer."""
        self._state.error = ""
        try:
            with self._hold() as store:
                await self._round(store, self._liveness.live())
        except StoreError as error:
            self._note("", error)

    async def _round(self, store: Store, peers: Sequence[Peer]) -> None:
        self._store, self._intake = store, self._intake_of(store)
        await store.shared.forget_expired()
        for peer in peers:
            try:
                await self._compare(peer, [peer, *(other for other in peers if other is not peer)])
                self._state.compared(peer.name)
            except PeerError as error:
                self._note(peer.name, error)
        await self._heal(peers)

    async def _compare(self, peer: Peer, peers: Sequence[Peer]) -> None:
        theirs, ours = await peer.summary(), await self._store.shared.summary()
        undone: list[tuple[str, list[Stamped]]] = []
        for repository in sorted(name for name in theirs if theirs[name] != ours.get(name)):
            if found := await self._merge(peer, repository):
                undone.append((repository, found))
        self._state.behind[peer.name] = sum(len(found) for _, found in undone)
        for repository, found in undone:
            for one in found:
                await self._bring(repository, one, peers)
            left = await self._store.shared.merge(repository, found)
            self._state.behind[peer.name] -= len(found) - len(left)

    async def _merge(self, peer: Peer, repository: str) -> list[Stamped]:
        """Take over what needs no content; returns the rest."""
        undone: list[Stamped] = []
        after = ""
        while page := await peer.names(repository, after=after):
            undone += await self._store.shared.merge(repository, page)
            after = page[-1].key
        return sorted(undone, key=lambda one: one.is_tag)  # manifests first, their stamps are known

    async def _bring(self, repository: str, one: Stamped, peers: Sequence[Peer]) -> None:
        """Bring one manifest. One that no replica has whole comes as it is there, as it would by pulling."""
        try:
            await self._intake.bring(repository, one, peers, complete=False)
        except (AbsentError, ContentMissingError):
            pass  # removed there meanwhile; the next round knows more
        except (PeerError, StoreError) as error:
            self._note(repository, error)
            if isinstance(error, UnwritableError):
                raise

    async def _heal(self, peers: Sequence[Peer]) -> None:
        """Bring content that was lost here, by damage or since it was not there when its manifest came."""
        lacking, now = await self._store.shared.lacking(), time.monotonic()
        self._absent = {which: since for which, since in self._absent.items() if now - since < self._times.absent}
        # What no replica has is nothing to wait for: a cache leaves manifests whose layers nobody pulled.
        may_come = [one for one in lacking if (one.repository, one.digest) not in self._absent]
        self._state.lacking = len(may_come) if self._liveness.peers else 0
        for one in may_come if peers else ():
            try:
                await self._intake.heal(one, peers)
                self._state.lacking -= 1
            except AbsentError:
                self._absent[one.repository, one.digest] = now
                self._state.lacking -= 1
            except PeerError as error:
                self._note(one.repository, error)
                return
            except UnwritableError:
                raise
            except StoreError as error:  # of this one; the others may be healed all the same
                self._note(one.repository, error)

    def _note(self, about: str, error: PeerError | StoreError) -> None:
        self._state.error = f"{about}: {error}" if about else str(error)
        log.emit("warning", "replicas not equal yet", about=about, error=str(error))
