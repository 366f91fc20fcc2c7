"""Many clients at once through a gateway process of two workers: nobody fails, and memory stays within its bound."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.endless import BLOB, BLOB_SIZE, BLOCK, MANIFEST, Client, registry
from tests.gateway.listening import until
from tests.gateway.material import Material
from tests.gateway.processes import USERS, children
from tests.support.gateway import Gateway, config, gateway, upstream

RSS_LIMIT = 256 * 1024 * 1024  # bytes, of each worker
STREAMS, PULLS = 200, 1000
READING_SECONDS = 3.0
# All clients, the registry and the gateway share this machine: being slow is no failure here.
PATIENT = ("--connect-seconds", "60", "--first-byte-seconds", "60", "--head-seconds", "60")
MANIFEST_PATH = "/v2/system/deckhouse/manifests/v1"


def peaks(running: Gateway) -> list[int]:
    """The most memory each worker ever had, in bytes."""
    files = [Path(f"/proc/{pid}/status").read_text() for pid in children(running)]
    return [int(text.partition("VmHWM:")[2].split()[0]) * 1024 for text in files]


def serve(folder: Path, material: Material, address: str, *, scheme: str) -> Iterator[Gateway]:
    route = upstream(address, scheme=scheme, ca=material.ca.cert if scheme == "https" else "")
    with gateway(folder, material.files(config([route], users=USERS)), options=PATIENT) as running:
        yield running


async def leave(running: Gateway, clients: list[Client]) -> None:
    """All clients go, and nothing of them is left."""
    for client in clients:
        client.close()
    names = ("registry_access_open_connections", "registry_access_inflight_streams")
    await until(lambda: not any(running.metric(name) for name in names), seconds=60)


@pytest.mark.timeout(240)
async def test_slow_readers_of_large_blobs_do_not_fill_the_memory(material: Material, folder: Path) -> None:
    async def read_slowly(client: Client) -> int:
        await client.connect()
        assert await client.ask(BLOB) == BLOB_SIZE
        blocks = 0
        end = asyncio.get_running_loop().time() + READING_SECONDS
        while asyncio.get_running_loop().time() < end:
            assert await client.read(len(BLOCK)) == BLOCK
            blocks += 1
            await asyncio.sleep(0.25)  # this is what makes it slow
        return blocks

    async with registry(material.server_context()) as address:
        for running in serve(folder, material, address, scheme="https"):
            context = material.client_context()
            clients = [Client(running.address, context, number=number) for number in range(STREAMS)]
            blocks = await asyncio.gather(*(read_slowly(client) for client in clients))
            assert min(blocks) > 0
            assert running.metric("registry_access_inflight_streams") == STREAMS
            assert max(peaks(running)) <= RSS_LIMIT
            await leave(running, clients)


@pytest.mark.timeout(240)
async def test_a_thousand_concurrent_small_pulls_all_succeed(material: Material, folder: Path) -> None:
    everybody = asyncio.Barrier(PULLS)

    async def pull(client: Client) -> None:
        await client.connect()
        await everybody.wait()
        assert await client.read(await client.ask(MANIFEST_PATH)) == MANIFEST

    async with registry() as address:
        for running in serve(folder, material, address, scheme="http"):
            user, node = material.client_context(), material.client_context(material.node)
            clients = [
                Client(running.address, node, number=number, login="")
                if number % 2
                else Client(running.address, user, number=number)
                for number in range(PULLS)
            ]
            await asyncio.gather(*(pull(client) for client in clients))
            assert running.metric("registry_access_open_connections") == PULLS
            assert max(peaks(running)) <= RSS_LIMIT
            await leave(running, clients)
