"""A gateway with a store, in the test's own loop: the API on a real TLS socket over a real registry that can fail."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from registry_gateway import config as configs
from registry_gateway.access import Gatekeeper
from registry_gateway.api import Api, InForce
from registry_gateway.sources.pool import Pool
from registry_gateway.sources.transport import Deadlines
from registry_gateway.stores import Keeper
from registry_gateway.supplies import Supplies
from tests.gateway.material import Material
from tests.gateway.serving import LOGIN, PATIENT, USERS
from tests.gateway.store import Store as Registry
from tests.support import gateway as support

MEMORY = Path("/dev/shm")  # quick to sync
BASE = "/v2/system/deckhouse"


@dataclass
class Cache:
    """The gateway at `url`, its data in `folder`, and the `registry` behind it."""

    url: str
    client: aiohttp.ClientSession
    become: Callable[[str], None]  # puts a configuration with another role of the store in force
    registry: Registry
    folder: Path

    def get(self, path: str, **options: Any) -> Any:
        """`client.get` below the base repository."""
        return self.client.get(self.url + BASE + path, **options)

    def head(self, path: str) -> Any:
        """`client.head` below the base repository."""
        return self.client.head(self.url + BASE + path)

    async def read(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Status and body."""
        async with self.get(path, headers=headers) as answer:
            return answer.status, await answer.read()

    def gets(self, digest: str) -> int:
        """How often the registry was asked for that blob by GET."""
        return self.registry.asked("GET").count(f"blobs/{digest}")

    def file(self, digest: str) -> Path:
        """Where the store keeps it."""
        return self.folder / "blobs" / digest.replace(":", "/")

    def leftovers(self) -> list[str]:
        """Files of fetches that did not end."""
        return sorted(path.name for room in ("incoming", "claims") for path in (self.folder / room).iterdir())

    def make_old(self) -> None:
        """Let every tag be one that was looked at long ago."""
        with sqlite3.connect(self.folder / "index.sqlite") as connection:
            connection.execute("UPDATE tags SET checked = checked - 3600")


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder on a disk that is quick to sync."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@asynccontextmanager
async def caching(
    material: Material,
    *,
    role: str = "cache",
    routed: bool = True,
    deadlines: Deadlines = PATIENT,
    folder: Path | None = None,
    limits: Mapping[str, int] | None = None,
    others: Sequence[str] = (),
) -> AsyncIterator[Cache]:
    """Serve a store of `role`; `limits` are further keys of it. `routed`: the registry is behind it, and behind that
    those at the addresses `others`.
    """
    with in_memory() as own:
        registry = Registry()
        async with registry.server:
            keeper, pool, api = Keeper(folder or own), Pool(deadlines=deadlines), Api()
            supplies = Supplies(keeper, "master-0")
            await keeper.want(True)
            keeping = asyncio.create_task(keeper.run())
            addresses = [registry.server.address, *others] if routed else []
            behind = [support.upstream(address, scheme="http") for address in addresses]
            first = configs.parse(support.config(behind).encode())
            routes = await pool.use(first.routes)

            def become(role: str) -> None:
                settings = {"role": role, **(limits or {})}
                text = support.config(behind, users=USERS, store=settings)
                config = configs.parse(text.encode())
                supply = supplies.for_clients(config, routes, [])
                api.in_force = InForce(Gatekeeper(config), config.alias, supply)

            become(role)
            server = web.Server(api.handle, handler_cancellation=True, access_log=None)
            context = material.server_context()
            listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=context)
            url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
            connector = aiohttp.TCPConnector(ssl=material.client_context(), limit=0)
            async with aiohttp.ClientSession(connector=connector, headers=LOGIN, auto_decompress=False) as client:
                yield Cache(url, client, become, registry, folder or own)
            listener.close()
            await server.shutdown(1)
            keeping.cancel()
            await supplies.close()
            await keeper.close()
            await pool.close()


def image(registry: Registry, *layers: bytes, tag: str = "") -> tuple[str, dict[str, Any]]:
    """Put an image into `registry`: the manifest's digest, and the manifest."""
    digest = registry.image(*layers, tag=tag)["digest"]
    return digest, json.loads(registry.content[f"manifests/{digest}"][1])


async def pulled(cache: Cache, reference: str) -> tuple[int, str, str]:
    """Status, digest and Warning of a pull by `reference`."""
    async with cache.get(f"/manifests/{reference}") as answer:
        await answer.read()
        headers = answer.headers
        return answer.status, headers.get("Docker-Content-Digest", ""), headers.get("Warning", "")
