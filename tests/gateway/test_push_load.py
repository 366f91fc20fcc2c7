"""Many pushes at once into one worker: none fails, and memory stays within its bound."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractContextManager
from pathlib import Path

import aiohttp
import pytest

from tests.gateway.caching import in_memory
from tests.gateway.material import Material
from tests.gateway.pushing import PASSWORDS, UPLOADS, configuration
from tests.gateway.test_load import RSS_LIMIT, peaks
from tests.store.site import digest
from tests.support.gateway import Gateway, gateway

PUSHES, SIZE = 50, 8 * 1024 * 1024


def start(folder: Path, material: Material, data: Path) -> AbstractContextManager[Gateway]:
    options = ["--data", str(data), "--streams-per-client", str(PUSHES)]
    return gateway(folder, material.files(configuration()), workers=1, options=options)


@pytest.mark.timeout(240)
async def test_fifty_parallel_pushes_are_stored_and_do_not_fill_the_memory(material: Material, folder: Path) -> None:
    shared = os.urandom(SIZE - 4)
    everybody = asyncio.Barrier(PUSHES)
    with in_memory() as data, start(folder, material, data) as running:
        connector = aiohttp.TCPConnector(ssl=material.client_context(), limit=0)
        login = {"Authorization": aiohttp.encode_basic_auth("rw", PASSWORDS["rw"])}
        base = f"https://{running.address}"

        async def push(client: aiohttp.ClientSession, number: int) -> str:
            blob = number.to_bytes(4, "big") + shared
            async with client.post(UPLOADS) as begun:
                location = begun.headers["Location"]
            await everybody.wait()
            async with client.patch(location, data=blob) as part:
                assert part.status == 202, await part.text()
            async with client.put(location, params={"digest": digest(blob)}) as done:
                assert done.status == 201, await done.text()
            return digest(blob)

        async with aiohttp.ClientSession(base, connector=connector, headers=login) as client:
            stored = await asyncio.gather(*(push(client, number) for number in range(PUSHES)))
        assert max(peaks(running)) <= RSS_LIMIT
        assert all((data / "blobs" / one.replace(":", "/")).stat().st_size == SIZE for one in stored)
