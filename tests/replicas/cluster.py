"""Several replicas, and a network between each two of them that can be cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from registry_gateway import config_store
from registry_gateway.replicas.times import Times
from tests.replicas.node import QUICK, Node
from tests.store.site import Clock
from tests.support.relay import Relay

PATIENCE = 60.0  # seconds


class Cluster:
    """Replicas by name. `skew`: seconds by which each one's clock differs from the one before."""

    def __init__(
        self, folder: Path, names: Sequence[str], *, times: Times = QUICK, keeps: bool = True, skew: float = 0.0
    ) -> None:
        self.nodes: dict[str, Node] = {}
        for number, name in enumerate(names):
            clock = Clock()
            clock.pass_(number * skew)
            self.nodes[name] = Node(name, folder / name, clock, times=times, keeps=keeps)
        self._relays: dict[tuple[str, str], Relay] = {}
        self._stack = AsyncExitStack()

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    async def __aenter__(self) -> Self:
        for name, node in self.nodes.items():
            await node.start()
            for other in self.nodes.values():
                if other is not node:
                    relay = Relay(lambda other=other: other.port)  # type: ignore[misc]
                    self._relays[name, other.name] = await self._stack.enter_async_context(relay)
        for name, node in self.nodes.items():
            node.peers = [config_store.Peer(name, f"127.0.0.1:{node.port}")] + [
                config_store.Peer(to, f"127.0.0.1:{relay.port}")
                for (of, to), relay in self._relays.items()
                if of == name
            ]
            node.join()
        for name in self.nodes:
            await self.sees(name, *(other for other in self.nodes if other != name))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await asyncio.gather(*(node.stop() for node in self.nodes.values()), return_exceptions=True)
        await self._stack.aclose()

    async def cut(self, one: str, other: str, *, hang: bool = False) -> None:
        """Cut the network between two replicas, both ways."""
        for pair in ((one, other), (other, one)):
            await self._relays[pair].cut(hang=hang)

    async def heal(self, one: str, other: str) -> None:
        """Undo `cut`."""
        for pair in ((one, other), (other, one)):
            await self._relays[pair].heal()

    async def sees(self, of: str, *live: str) -> None:
        """Wait until the replica `of` has noticed that just `live` are alive."""
        await until(lambda: _answered(self.nodes[of].keeper.live == sorted(live)), what=f"{of} sees {live}")

    async def equal(self, *names: str) -> None:
        """Wait until all replicas (or `names`) have the same names, with all content that is needed."""

        async def are_equal() -> bool:
            nodes = [self.nodes[name] for name in names or self.nodes]
            found = [await node.names() for node in nodes]
            lacking = [await node.store.shared.lacking() for node in nodes]
            return all(one == found[0] for one in found) and not any(lacking)

        await until(are_equal, what="the replicas are equal")


async def until(condition: Callable[[], Awaitable[bool]], *, what: str, seconds: float = PATIENCE) -> None:
    """Wait for `condition`. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)


async def _answered(value: bool) -> bool:
    return value
