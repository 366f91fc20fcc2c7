"""One replica under test: a real store behind a real server, with the product's part for the other replicas.

The gateway around it is reduced to what replicas ask of each other: reading from the store, and their own endpoints.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from aiohttp import web

from registry_gateway import config_store
from registry_gateway.access import PEER, Identity
from registry_gateway.config import Upstream
from registry_gateway.config_store import Role, StoreConfig
from registry_gateway.oci import Code, OciError
from registry_gateway.replicas.replicas import Keeper, Replicas
from registry_gateway.replicas.times import Times
from registry_gateway.sources.peer import HEADER
from registry_gateway.sources.room import Room
from registry_gateway.store.errors import UnknownError
from registry_gateway.store.store import Store
from registry_gateway.target import Kind, Target, parse
from tests.store import site as build
from tests.store.site import MANIFEST, NAME, Clock, Site

QUICK = Times(live=3.0, ping=0.2, deadline=30.0, again=0.05, interval=0.5, absent=0.5)


class Node:
    """The replica `name`, with its data in `folder`; `peers` are all replicas, at the addresses it reaches them by."""

    def __init__(self, name: str, folder: Path, clock: Clock, *, times: Times = QUICK, keeps: bool = True) -> None:
        self.name, self.folder, self.clock, self._times, self._keeps = name, folder, clock, times, keeps
        self.peers: Sequence[config_store.Peer] = ()
        self.port = 0
        self.min_free = 0  # bytes
        self.holders = 0  # of the store
        self.asked: list[str] = []  # "METHOD path" of every request that came

    async def start(self) -> None:
        """Open the store and serve, at the port it had before."""
        self.store = await Store.open(self.folder, now=self.clock)
        self.site = Site(self.folder, self.store, self.clock)
        self._server = web.Server(self._handle, handler_cancellation=True)
        self._listening = await asyncio.get_running_loop().create_server(self._server, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    def join(self) -> None:
        """Begin to deal with the others, which must have their addresses by now."""
        self.replicas = Replicas(
            *(self._hold, self.peers), own=self.name, context=None, has_room=self._has_room, times=self._times
        )
        self.keeper = Keeper(
            *(self._hold, self.peers), own=self.name, context=None, has_room=self._has_room, times=self._times
        )
        self._keeping = asyncio.create_task(self.keeper.run()) if self._keeps else None

    async def stop(self) -> None:
        """End, as a process does: connections break off."""
        self._listening.close()
        for connection in self._server.connections:
            connection.force_close()
        await until_ended(self._server)
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self.keeper.close()
        await self.replicas.close()
        await self.store.close()

    async def restart(self, *, wiped: bool = False) -> None:
        """Stop if need be, start and join, with the disk as it was or empty."""
        if wiped:
            shutil.rmtree(self.folder)
        await self.start()
        self.join()

    async def push(self, *layers: bytes, tag: str = "", name: str = NAME, label: str = "") -> str:
        """Push an image as a client would, and wait for the acknowledgement. Raises OciError."""
        digest = await self.site.push_image(*layers, tag=tag, name=name, label=label)
        await self.replicas.committed(name, {digest, tag} - {""})
        return digest

    async def put(self, body: bytes, media_type: str = MANIFEST, *, tag: str = "", name: str = NAME) -> str:
        """Push a manifest, and wait for the acknowledgement. Raises OciError, StoreError."""
        digest = await self.store.changes.put_manifest(name, body, media_type, tag=tag)
        await self.replicas.committed(name, {digest, tag} - {""})
        return digest

    async def delete(self, reference: str, *, name: str = NAME) -> None:
        """Delete a tag or a manifest, and wait for the acknowledgement. Raises OciError, StoreError."""
        if ":" in reference:
            await self.store.changes.delete_manifest(name, reference)
        else:
            await self.store.changes.delete_tag(name, reference)
        await self.replicas.committed(name, {reference})

    async def tag(self, tag: str, *, name: str = NAME) -> str:
        """The digest that a tag names, "" for none."""
        try:
            return (await self.store.contents.tag(name, tag))[0]
        except UnknownError:
            return ""

    async def is_whole(self, reference: str, *, name: str = NAME) -> bool:
        """Whether an image is here with all that it needs."""
        try:
            return await self.store.contents.missing(name, reference) == []
        except UnknownError:
            return False

    async def names(self) -> dict[str, dict[str, tuple[int, str]]]:
        """All that is here, by repository: tags, manifests and tombstones with their times."""
        found = {}
        for name in await self.store.contents.repositories():
            found[name] = {one.key: (one.stamp, one.value) for one in await self.store.shared.names(name)}
        return {name: names for name, names in found.items() if names}

    def _has_room(self, size: int) -> bool:
        """Against the room that the disk really has, with the product's rule."""
        settings: StoreConfig[Upstream] = StoreConfig(Role.COPY, min_free=self.min_free)
        return Room(self.folder, settings).has(size)

    @contextlib.contextmanager
    def _hold(self) -> Iterator[Store]:
        self.holders += 1
        try:
            yield self.store
        finally:
            self.holders -= 1

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.raw_path}")
        identity = PEER if HEADER in request.headers else Identity("user:rw", may_push=True)
        try:
            if Replicas.is_asked(request.raw_path):
                return await self.replicas.handle(request, identity)
            return await self._read(request, parse(request.raw_path))
        except OciError as error:
            return web.Response(status=error.status, body=error.body(), headers=error.headers)
        except UnknownError as error:
            return web.Response(status=404, body=OciError(404, Code.UNKNOWN, error.message).body())

    async def _read(self, request: web.BaseRequest, asked: Target) -> web.StreamResponse:
        if asked.kind is Kind.MANIFEST:
            found = await self.store.contents.manifest(asked.name, asked.reference)
            return web.Response(body=found.content, content_type=found.media_type)
        async with await self.store.contents.blob(asked.name, asked.reference) as blob:
            response = web.StreamResponse()
            response.content_length = blob.size
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                async for piece in blob.pieces():
                    await response.write(piece)
                await response.write_eof()
            return response


async def until_ended(server: web.Server) -> None:
    """Wait for connections that were closed to be gone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            while server.connections:  # noqa: ASYNC110 - aiohttp tells nobody
                await asyncio.sleep(0.01)


def image(label: str, *layers: bytes) -> tuple[bytes, bytes]:
    """Manifest and config of an image."""
    settings = build.config(label)
    return build.manifest(settings, layers), settings
