"""A line that is cut while a real registry sends a layer: the client does not notice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.gateway.breaking import BODY, BREAK, DIGEST
from tests.gateway.material import Material
from tests.gateway.serving import serving
from tests.support.distribution import Basic, distribution
from tests.support.gateway import upstream


@asynccontextmanager
async def cut_line(address: str, *, after: int) -> AsyncIterator[tuple[str, list[int]]]:
    """A way to `address` whose first connection is cut when `after` bytes have come back; also the bytes that came
    back on each connection.
    """
    back: list[int] = []
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        number, limit = len(back), after if not back else 1 << 40
        back.append(0)
        host, _, port = address.rpartition(":")
        there, to_there = await asyncio.open_connection(host, int(port))

        async def forth() -> None:
            with contextlib.suppress(OSError):
                while piece := await reader.read(65536):
                    to_there.write(piece)

        sending = asyncio.create_task(forth())
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while back[number] < limit and (piece := await there.read(min(65536, limit - back[number]))):
                back[number] += len(piece)
                writer.write(piece)
                await writer.drain()
        sending.cancel()
        to_there.close()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", back
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def push(address: str, body: bytes, digest: str) -> None:
    login = {"Authorization": aiohttp.encode_basic_auth("u", "p")}
    async with aiohttp.ClientSession(headers=login) as client:
        async with client.post(f"http://{address}/v2/deckhouse/ee/blobs/uploads/") as begun:
            assert begun.status == 202
            place = begun.headers["Location"]
        async with client.put(f"{place}&digest={digest}", data=body) as done:
            assert done.status == 201


async def test_a_layer_of_a_real_registry_is_continued_with_its_credentials(material: Material, folder: Path) -> None:
    with distribution(folder / "registry", auth=Basic({"u": "p"})) as registry:
        await push(registry.address, BODY, DIGEST)
        async with cut_line(registry.address, after=BREAK) as (address, back):
            routes = [upstream(address, scheme="http", user="u", password="p")]
            async with (
                serving(material, routes) as served,
                served.get(f"/v2/system/deckhouse/blobs/{DIGEST}") as answer,
            ):
                assert (answer.status, answer.headers["Docker-Content-Digest"]) == (200, DIGEST)
                assert await answer.read() == BODY
        assert back[0] == BREAK
        assert len(back) == 2
        assert back[1] < len(BODY)  # the rest, not the whole once more
