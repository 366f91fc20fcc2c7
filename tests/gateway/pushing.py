"""The API with a store that clients may push into, behind a worker's own listeners in the test's loop."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from registry_gateway import config as configs
from registry_gateway import tls
from registry_gateway.access import Gatekeeper
from registry_gateway.admission import Admission
from registry_gateway.api import Api, InForce
from registry_gateway.connections import Server
from registry_gateway.limits import LIMITS, Limits
from registry_gateway.listeners import Listeners
from registry_gateway.push.pushes import Pushes
from registry_gateway.sources.peer import PeerSource
from registry_gateway.sources.pool import Pool
from registry_gateway.store.store import BLOB_LIMIT, Store
from registry_gateway.stores import Keeper, Opened
from registry_gateway.supplies import Supplies
from registry_gateway.worker import READ_BUFFER
from tests.gateway.material import Material
from tests.gateway.serving import PATIENT
from tests.store.site import MANIFEST, NAME, digest
from tests.support import gateway as support
from tests.support.gateway import free_port

PASSWORDS = {"ro": "ro-password", "rw": "rw-password"}
REPOSITORY = f"/v2/{NAME}"
UPLOADS = f"{REPOSITORY}/blobs/uploads/"


@dataclass(frozen=True)
class Said:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The first error's."""
        return str(json.loads(self.body)["errors"][0]["code"])

    @property
    def message(self) -> str:
        """The first error's."""
        return str(json.loads(self.body)["errors"][0]["message"])


@dataclass
class Pushing:
    """A gateway at `port` and its store; `client` is user `rw`."""

    port: int
    keeper: Keeper
    store: Store
    folder: Path
    material: Material
    client: aiohttp.ClientSession

    async def ask(self, method: str, path: str, *, user: str = "rw", **options: Any) -> Said:
        headers = {"Authorization": login(user), **options.pop("headers", {})}
        async with self.client.request(method, path, headers=headers, **options) as answer:
            return Said(answer.status, answer.headers, await answer.read())

    async def begin(self, name: str = NAME) -> str:
        """Start an upload; returns its location."""
        begun = await self.ask("POST", f"/v2/{name}/blobs/uploads/")
        assert begun.status == 202, begun
        return begun.headers["Location"]

    async def chunk(self, location: str, data: bytes, content_range: str = "") -> Said:
        headers = {"Content-Range": content_range} if content_range else {}
        return await self.ask("PATCH", location, data=data, headers=headers)

    async def finish(self, location: str, wanted: str, data: bytes = b"", **headers: str) -> Said:
        return await self.ask("PUT", f"{location}?digest={wanted}", data=data, headers=headers)

    async def blob(self, data: bytes, name: str = NAME) -> str:
        """Push a blob in one request; returns its digest."""
        done = await self.ask("POST", f"/v2/{name}/blobs/uploads/", params={"digest": digest(data)}, data=data)
        assert done.status == 201, done
        return digest(data)

    async def manifest(self, body: bytes, reference: str, *, name: str = NAME, kind: str = MANIFEST) -> Said:
        path = f"/v2/{name}/manifests/{reference}"
        return await self.ask("PUT", path, data=body, headers={"Content-Type": kind})

    def stored(self, wanted: str) -> bytes | None:
        """What is on disk under a digest."""
        path = self.folder / "blobs" / wanted.replace(":", "/")
        return path.read_bytes() if path.exists() else None

    def leftovers(self) -> list[str]:
        """Files of uploads and writers that have not ended."""
        return sorted(path.name for path in (self.folder / "incoming").iterdir())


@asynccontextmanager
async def pushing(
    material: Material,
    folder: Path,
    *,
    limits: Limits = LIMITS,
    blob_limit: int = BLOB_LIMIT,
    routes: Sequence[Mapping[str, str]] = (),
    peers: Sequence[PeerSource] = (),
    **options: Any,
) -> AsyncIterator[Pushing]:
    """Serve the store in `folder` to users `ro` and `rw` and to nodes; behind it are `peers`, and `routes` as while
    modes are switched. `options` are those of `Pushes`.
    """
    config = configs.parse(configuration(routes).encode())
    api, pool = Api(Admission(limits)), Pool(deadlines=PATIENT)
    behind = await pool.use(config.routes)
    server = Server(
        api.handle,
        handler_cancellation=True,
        access_log=None,
        head_seconds=limits.head_seconds,
        lingering_time=0,
        read_bufsize=READ_BUFFER,
        auto_decompress=False,
    )
    port = free_port()
    listeners = Listeners([("127.0.0.1", port)], server, limits=limits)
    files = material.files("")
    chain, key, client_ca = (files[name].encode() for name in ("tls.crt", "tls.key", "client-ca.crt"))
    keeper, store = Keeper(folder), await Store.open(folder, blob_limit=blob_limit)
    keeper.opened, supplies = Opened(store, 0), Supplies(keeper, "")
    with keeper.opened.held():
        pushes = Pushes(keeper, alias=config.alias, stall_seconds=limits.stall_seconds, **options)
        supply = supplies.for_clients(config, behind, peers)
        for_pushers = supplies.for_pushers(config, peers)
        api.in_force = InForce(Gatekeeper(config), config.alias, supply, for_pushers=for_pushers, pushes=pushes)
        listeners.serve(tls.server_context(chain=chain, key=key, client_ca=client_ca))
        connector = aiohttp.TCPConnector(ssl=material.client_context(), limit=0)
        async with aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=connector) as client:
            yield Pushing(port, keeper, store, folder, material, client)
        listeners.stop()
        await server.shutdown(1)
        await server.gone()
    await supplies.close()
    await keeper.close()
    await pool.close()


def configuration(routes: Sequence[Mapping[str, str]] = (), **store: Any) -> str:
    """config.json of a copy with users `ro` and `rw`; `store` are fields of its key."""
    document = json.loads(support.config(routes))
    document["store"] = {"role": "copy", **store}
    document["clients"]["users"] = [
        {"name": name, "sha256": hashlib.sha256(PASSWORDS[name].encode()).hexdigest(), "rights": rights}
        for name, rights in (("ro", "pull"), ("rw", "push"))
    ]
    return json.dumps(document)


def login(user: str) -> str:
    """The Authorization header of a user."""
    return aiohttp.encode_basic_auth(user, PASSWORDS[user])
