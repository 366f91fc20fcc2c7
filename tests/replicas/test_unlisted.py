"""A replica that others do not know yet, as a master that was just added."""

from __future__ import annotations

import asyncio

import pytest

from registry_gateway.oci import OciError
from registry_gateway.replicas.replicas import Keeper, Replicas
from tests.replicas.cluster import Cluster, until
from tests.replicas.node import QUICK, Node

SECONDS = 20.0


def forget(node: Node, name: str) -> None:
    """Have a configuration in force at `node` that does not name the replica `name`."""
    peers = [peer for peer in node.peers if peer.name != name]
    node.replicas = Replicas(node._hold, peers, own=node.name, context=None, times=QUICK)


async def test_a_replica_that_its_own_configuration_does_not_name_refuses_pushes_and_says_why(
    two: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    before = two["a"].replicas
    forget(two["a"], "a")
    with pytest.raises(OciError) as refused:
        await two["a"].push(b"layer", tag="v1")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")
    assert "this replica (a) is not among the peers" in refused.value.body().decode()
    keeper = Keeper(two["a"]._hold, two["a"].peers[1:], own="a", context=None, times=QUICK)
    assert "this replica (a) is not among the peers" in keeper.status()["error"]
    assert "this replica (a) is not among the peers" in capfd.readouterr().out
    await keeper.close()
    await before.close()


async def test_a_push_waits_until_the_others_know_the_replica_that_took_it(two: Cluster) -> None:
    knows = two["b"].replicas
    forget(two["b"], "a")
    pushing = asyncio.create_task(two["a"].push(b"layer", tag="v1"))
    await until(lambda: was_told_twice(two["b"]), what="b is told again")
    assert not pushing.done()
    ignorant, two["b"].replicas = two["b"].replicas, knows
    pushed = await asyncio.wait_for(pushing, SECONDS)
    assert await two["b"].is_whole(pushed)
    await ignorant.close()


async def was_told_twice(node: Node) -> bool:
    return node.asked.count("POST /v2/_replicas/changes") >= 2
