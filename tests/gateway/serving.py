"""The API on a real TLS socket in the test's own loop, and a client for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from registry_gateway import config as configs
from registry_gateway.access import Gatekeeper
from registry_gateway.api import Api, InForce
from registry_gateway.sources.ordered import Ordered
from registry_gateway.sources.pool import Pool
from registry_gateway.sources.transport import Deadlines
from tests.gateway.material import Material
from tests.support import gateway as support

QUICK = Deadlines(connect=0.7, first_byte=0.7, idle=0.7)  # for faults that only a deadline ends
PATIENT = Deadlines(connect=10, first_byte=10, idle=10)  # for all else: a busy machine is no fault
LOGIN = {"Authorization": aiohttp.encode_basic_auth("ro", "ro-password")}
USERS = {"ro": "ro-password"}


@dataclass
class Served:
    """The base address and a client with the rights of user `ro`."""

    url: str
    client: aiohttp.ClientSession
    api: Api
    pool: Pool

    def get(self, path: str, **options: Any) -> Any:
        """`client.get` below the base address."""
        return self.client.get(self.url + path, **options)


def parse(routes: Sequence[dict[str, str]], **options: object) -> configs.Config:
    """A configuration with user `ro`."""
    document = json.loads(support.config(routes, users=USERS))
    document["clients"].update(options)
    return configs.parse(json.dumps(document).encode())


@asynccontextmanager
async def serving(
    material: Material, routes: Sequence[dict[str, str]], *, deadlines: Deadlines = PATIENT, **options: object
) -> AsyncIterator[Served]:
    """Serve `routes`; `options` are fields of `clients`."""
    config, api, pool = parse(routes, **options), Api(), Pool(deadlines=deadlines)
    api.in_force = InForce(Gatekeeper(config), config.alias, Ordered(await pool.use(config.routes)))
    server = web.Server(api.handle, handler_cancellation=True, access_log=None)
    context = material.server_context()
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    connector = aiohttp.TCPConnector(ssl=material.client_context())
    async with aiohttp.ClientSession(connector=connector, headers=LOGIN, auto_decompress=False) as client:
        yield Served(f"https://127.0.0.1:{port}", client, api, pool)
    listener.close()
    await server.shutdown(1)
    await pool.close()


async def until(condition: Callable[[], bool], *, seconds: float = 8.0) -> None:
    """Wait for `condition()`. Raises TimeoutError when it does not come true in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
