"""The API behind a worker's own listeners in the test's loop, with small limits, and clients with several addresses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from registry_gateway import metrics, tls
from registry_gateway.access import Gatekeeper
from registry_gateway.admission import Admission
from registry_gateway.api import Api, InForce
from registry_gateway.attempts import Attempts
from registry_gateway.connections import Server
from registry_gateway.limits import LIMITS, Limits
from registry_gateway.listeners import Listeners
from registry_gateway.sources.ordered import Ordered
from registry_gateway.sources.pool import Pool
from tests.gateway.material import Material
from tests.gateway.serving import PATIENT, parse
from tests.support.certs import KeyPair
from tests.support.gateway import free_port

NEIGHBOUR = "127.0.0.2"  # another client's address


@dataclass
class Listening:
    """A port of 127.0.0.1; `api` may be given another configuration."""

    port: int
    api: Api
    material: Material

    @asynccontextmanager
    async def client(
        self, *, address: str = "127.0.0.1", login: str = "", certificate: KeyPair | None = None
    ) -> AsyncIterator[aiohttp.ClientSession]:
        """A client from `address` with `login` (`user:password`) or a certificate, or neither."""
        headers = {"Authorization": aiohttp.encode_basic_auth(*login.split(":"))} if login else {}
        connector = aiohttp.TCPConnector(ssl=self.material.client_context(certificate), local_addr=(address, 0))
        base = f"https://127.0.0.1:{self.port}"
        async with aiohttp.ClientSession(base, connector=connector, headers=headers) as session:
            yield session

    async def connect(self, *, plain: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of which each byte is the test's."""
        context: ssl.SSLContext | None = None if plain else self.material.client_context()
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context)


@asynccontextmanager
async def listening(
    material: Material,
    routes: Sequence[dict[str, str]] = (),
    *,
    limits: Limits = LIMITS,
    attempts: Attempts | None = None,
) -> AsyncIterator[Listening]:
    """Serve `routes` to user `ro` and to nodes."""
    config, api, pool = parse(routes), Api(Admission(limits, attempts)), Pool(deadlines=PATIENT)
    api.in_force = InForce(Gatekeeper(config), config.alias, Ordered(await pool.use(config.routes)))
    server = Server(
        api.handle, handler_cancellation=True, access_log=None, head_seconds=limits.head_seconds, lingering_time=0
    )
    port = free_port()
    listeners = Listeners([("127.0.0.1", port)], server, limits=limits)
    files = material.files("")
    chain, key, client_ca = (files[name].encode() for name in ("tls.crt", "tls.key", "client-ca.crt"))
    listeners.serve(tls.server_context(chain=chain, key=key, client_ca=client_ca))
    yield Listening(port, api, material)
    listeners.stop()
    await server.shutdown(1)
    await server.gone()
    await pool.close()


async def until(condition: Callable[[], object], *, seconds: float = 8) -> None:
    """Return when `condition()` is true. Raises TimeoutError when it is not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - counters, also of other processes, set no event
            await asyncio.sleep(0.02)


def counted(metric: str, **labels: str) -> float:
    """The value of a series of the workers' metrics."""
    return metrics.REGISTRY.get_sample_value(metric, labels) or 0.0
