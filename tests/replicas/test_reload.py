"""Peers or certificates change during a push: the others that a worker knew are closed, new ones are made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from registry_gateway.oci import OciError
from registry_gateway.replicas.liveness import Liveness
from registry_gateway.replicas.times import Times
from registry_gateway.store.fetches import Claim
from tests.replicas.cluster import Cluster, until
from tests.replicas.node import Node

SECONDS = 20.0


@contextmanager
def busy(node: Node) -> Iterator[None]:
    """A replica that does not come to fetching anything as long as the context lasts."""
    claim, free = node.store.fetches.claim, asyncio.Event()

    async def late(name: str, wanted: str) -> Claim | None:
        await free.wait()
        return await claim(name, wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node.store.fetches, "claim", late)
        yield
    free.set()


async def told(node: Node) -> bool:
    return "POST /v2/_replicas/changes" in node.asked


async def test_a_push_that_waits_is_acknowledged_by_those_it_began_with(two: Cluster) -> None:
    with busy(two["b"]):
        pushing = asyncio.create_task(two["a"].push(b"layer", tag="v1"))
        await until(lambda: told(two["b"]), what="b has been told")
        closing = asyncio.create_task(two["a"].replicas.close())
        await asyncio.wait((closing, pushing), timeout=0.2)
        assert not pushing.done()
    pushed = await asyncio.wait_for(pushing, SECONDS)
    assert await two["b"].is_whole(pushed)
    await asyncio.wait_for(closing, SECONDS)


async def test_a_push_that_comes_to_its_end_later_is_not_acknowledged_alone(two: Cluster) -> None:
    await two["a"].replicas.close()
    with pytest.raises(OciError) as refused:
        await two["a"].push(b"layer", tag="v1")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")


async def test_a_push_that_a_process_cannot_wait_for_at_its_end_is_to_be_pushed_again(two: Cluster) -> None:
    with busy(two["b"]):
        pushing = asyncio.create_task(two["a"].push(b"layer", tag="v1"))
        await until(lambda: told(two["b"]), what="b has been told")
        closing = asyncio.create_task(two["a"].replicas.close())
        await asyncio.wait((closing,), timeout=0.2)
        closing.cancel()
        with pytest.raises(OciError) as refused:
            await asyncio.wait_for(pushing, SECONDS)
    assert refused.value.status == 503


async def test_nobody_waits_to_know_who_lives_once_that_is_not_asked_any_more(two: Cluster) -> None:
    await two.cut("a", "b", hang=True)
    liveness = Liveness(two["a"].replicas._others.peers, times=Times(live=600))
    waiting = asyncio.create_task(liveness.known())
    await asyncio.wait((waiting,), timeout=0.1)
    assert not waiting.done()
    await liveness.close()
    await asyncio.wait_for(waiting, SECONDS)
