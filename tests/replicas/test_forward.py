"""A request for an upload waits for the replica that has it only as long as that one is alive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from registry_gateway.oci import OciError
from tests.replicas.cluster import Cluster, until
from tests.replicas.node import Node

PATH = f"/v2/a/blobs/uploads/b.{'0' * 32}"
SECONDS = 30.0


@asynccontextmanager
async def entrance(node: Node, owner: str) -> AsyncIterator[str]:
    """Where clients of `node` ask for an upload of `owner`."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await node.replicas.forward(owner, request)
        except OciError as error:
            return web.Response(status=error.status, body=error.body(), headers=error.headers)

    runner = web.ServerRunner(web.Server(handle, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def patch(base: str) -> tuple[int, str]:
    """Send a chunk; status, and after how many seconds to send it again."""
    limit = aiohttp.ClientTimeout(total=SECONDS)
    async with aiohttp.ClientSession(timeout=limit) as session, session.patch(base + PATH, data=b"chunk") as answer:
        return answer.status, answer.headers.get("Retry-After", "")


async def test_an_owner_that_is_not_alive_is_not_waited_for(two: Cluster) -> None:
    await two.cut("a", "b", hang=True)
    liveness = two["a"].replicas._others.liveness

    async def is_alone() -> bool:
        return not liveness.live()

    await until(is_alone, what="a takes b for dead")
    before = len(two["b"].asked)
    async with entrance(two["a"], "b") as base:
        assert await patch(base) == (503, "5")
    await two.heal("a", "b")
    assert f"PATCH {PATH}" not in two["b"].asked[before:]


async def test_an_owner_that_vanishes_during_a_request_is_waited_for_only_while_it_counts(two: Cluster) -> None:
    await two["a"].replicas._others.liveness.known()
    async with entrance(two["a"], "b") as base:
        await two.cut("a", "b", hang=True)
        assert await patch(base) == (503, "5")
