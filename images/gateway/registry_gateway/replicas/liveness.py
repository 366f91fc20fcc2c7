"""Which replicas are alive: those that answered lately."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from registry_gateway import log
from registry_gateway.replicas.peer import Peer
from registry_gateway.replicas.times import TIMES, Times


class Liveness:
    """Asks `peers` whether they are there; `returned` is called when one is that was not. Must be made in a loop."""

    def __init__(
        self,
        peers: Sequence[Peer],
        *,
        returned: Callable[[Peer], None] = lambda peer: None,  # noqa: ARG005 - nobody has to know
        times: Times = TIMES,
    ) -> None:
        self.peers = peers
        self._returned, self._times = returned, times
        self._heard: dict[str, float] = {}
        self._asked = asyncio.Event()
        self._unasked = {peer.name for peer in peers}
        self._tasks = [asyncio.create_task(self._watch(peer)) for peer in peers]
        if not peers:
            self._asked.set()

    async def known(self) -> None:
        """Wait until every peer has been asked once: before that nobody can be called dead."""
        await self._asked.wait()

    def live(self) -> list[Peer]:
        """The peers that are alive."""
        return [peer for peer in self.peers if self.is_live(peer)]

    def is_live(self, peer: Peer) -> bool:
        """Whether `peer` answered lately."""
        return time.monotonic() - self._heard.get(peer.name, -self._times.live) < self._times.live

    def heard(self, peer: Peer) -> None:
        """Note that `peer` answered."""
        was_live = self.is_live(peer)
        self._heard[peer.name] = time.monotonic()
        if not was_live:
            self._returned(peer)

    async def close(self) -> None:
        """Ask no more, and keep nobody waiting who waits to know."""
        self._asked.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, peer: Peer) -> None:
        while True:
            try:
                if await peer.is_ready(self._times.live / 2):
                    self.heard(peer)
            except Exception as error:  # a defect; without an end to this loop the peer may yet be seen
                log.emit("error", "defect", part="liveness", error=log.where(error))
            self._unasked.discard(peer.name)
            if not self._unasked:
                self._asked.set()
            await asyncio.sleep(self._times.ping)
