"""What a replica does for another one while that asks it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from registry_gateway.replicas import wire
from tests.replicas.cluster import Cluster, until
from tests.store.site import NAME


async def test_the_store_is_held_until_a_change_that_nobody_waits_for_is_let_go_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Cluster(folder, ["a", "b"], keeps=False) as two:
        begun, ending, free = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def slow(*_: object) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ending.set()
                await free.wait()  # as a write that has begun on the disk

        monkeypatch.setattr(two["b"].store.fetches, "claim", slow)
        digest = await two["a"].site.push_image(b"layer", tag="v1")
        body = wire.render_changes(NAME, await two["a"].store.shared.current(NAME, {digest, "v1"}))
        peer = two["a"].replicas._others.peers[0]
        telling = asyncio.create_task(peer.tell(body))
        await asyncio.wait_for(begun.wait(), 20)
        telling.cancel()
        await asyncio.wait_for(ending.wait(), 20)
        await asyncio.wait((telling,))
        assert two["b"].holders == 1
        free.set()
        await until(lambda: let_go(two), what="the store is not held any more")


async def let_go(cluster: Cluster) -> bool:
    return cluster["b"].holders == 0
