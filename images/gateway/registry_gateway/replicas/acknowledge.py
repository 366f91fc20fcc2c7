"""Acknowledging: a change is answered for when a majority of the live replicas has it, this one included."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from registry_gateway import metrics
from registry_gateway.oci import Code, OciError
from registry_gateway.replicas import wire
from registry_gateway.replicas.liveness import Liveness
from registry_gateway.replicas.peer import Peer, PeerError, PeerRefusedError
from registry_gateway.replicas.times import TIMES, Times
from registry_gateway.store.store import Store

RETRY_AFTER = "5"  # seconds
_LOOK_SECONDS = 0.5  # between looks at who is live
_UNLISTED = 403  # of a peer whose configuration does not name this replica yet


class Acknowledger:
    """Tells live peers of changes. Telling goes on behind an answer, so the slowest replica has it, too."""

    def __init__(self, liveness: Liveness, *, times: Times = TIMES) -> None:
        self._liveness, self._times = liveness, times
        self._telling: set[asyncio.Task[bool]] = set()

    async def committed(self, store: Store, repository: str, keys: Collection[str]) -> None:
        """Return when a majority of the live replicas has what became in `store` of `keys` (tags and digests).

        Raises OciError (503): it is here, will be spread later, and a repeated push says how far that is.
        """
        await self._liveness.known()
        changed = await store.shared.current(repository, keys)
        body = wire.render_changes(repository, changed)
        told = {peer.name: self._tell(peer, body) for peer in self._liveness.live()}
        try:
            async with asyncio.timeout(self._times.deadline):
                result = await self._majority(told)
        except TimeoutError:
            result = "late"
        metrics.acknowledgements.labels(result).inc()
        if result not in ("majority", "alone"):
            raise OciError(
                503,
                Code.UNAVAILABLE,
                "stored by this replica, but a majority of the live ones does not have it yet; push it again",
                retry_after=RETRY_AFTER,
            )

    async def close(self) -> None:
        """Tell no more; who was not told finds out by comparing."""
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _majority(self, told: dict[str, asyncio.Task[bool]]) -> str:
        while True:
            live = [told[peer.name] for peer in self._liveness.live() if peer.name in told]
            having = 1 + sum(1 for task in told.values() if _has_taken(task))
            if having >= (1 + len(live)) // 2 + 1:
                return "majority" if having > 1 else "alone"
            working = [task for task in live if not task.done()]
            if not working:
                return "refused"
            await asyncio.wait(working, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)

    def _tell(self, peer: Peer, body: bytes) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._told(peer, body))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return task

    async def _told(self, peer: Peer, body: bytes) -> bool:
        """Whether `peer` has it; it is asked as long as it is live."""
        telling = asyncio.create_task(self._until_answered(peer, body))
        try:
            while not telling.done() and self._liveness.is_live(peer):
                await asyncio.wait((telling,), timeout=_LOOK_SECONDS)
            return telling.done() and telling.result()
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _until_answered(self, peer: Peer, body: bytes) -> bool:
        deadline = time.monotonic() + self._times.deadline
        while True:
            try:
                taken = await peer.tell(body)
            except PeerRefusedError as error:
                if error.status != _UNLISTED or time.monotonic() > deadline:
                    return False
                await asyncio.sleep(self._times.again)
                continue
            except PeerError:
                await asyncio.sleep(self._times.again)
                continue
            self._liveness.heard(peer)
            return taken


def _has_taken(task: asyncio.Task[bool]) -> bool:
    return task.done() and not task.cancelled() and task.result()
