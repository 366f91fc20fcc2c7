"""One worker process: one event loop that serves. It tells its parent which configuration it has in force.

The channel to the parent is a socket: lines of JSON upwards, nothing downwards; when it ends, the parent is gone and
the worker finishes what it is doing and goes as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from registry_gateway import log, memory, metrics, mount
from registry_gateway.access import Gatekeeper
from registry_gateway.admission import Admission
from registry_gateway.api import Api, InForce
from registry_gateway.config import Config
from registry_gateway.config_store import Peer, Role
from registry_gateway.connections import Server
from registry_gateway.limits import LIMITS, Limits
from registry_gateway.listeners import Address, Listeners
from registry_gateway.push.pushes import Pushes
from registry_gateway.reload import POLL_SECONDS, Reloader
from registry_gateway.replicas.hold import holding
from registry_gateway.replicas.replicas import Replicas
from registry_gateway.sources.peer import Peers
from registry_gateway.sources.pool import Pool
from registry_gateway.sources.room import Room
from registry_gateway.sources.transport import DEADLINES, Deadlines
from registry_gateway.stores import Keeper
from registry_gateway.supplies import Supplies

KEEP_ALIVE_SECONDS = 75.0  # an idle client connection; longer than containerd's 30 s pool, shorter than for ever
HEADER_LIMIT = 8190  # bytes of the request line and of each header
HEADER_COUNT = 64
CLOSE_SECONDS = 0.5  # for the replicas and the store to close; a store that is not closed loses nothing
READ_BUFFER = 32 * 1024  # bytes of a request's body that wait to be read
ERROR_LIMIT = 4096  # characters of an error told to the parent, which takes 64 KiB in a line; in JSON one is 12 at most


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker is told on its command line."""

    folder: Path
    listen: Sequence[Address]
    channel: int  # descriptor of the socket to the parent
    drain_seconds: float = 30.0
    poll_seconds: float = POLL_SECONDS
    deadlines: Deadlines = DEADLINES
    limits: Limits = LIMITS
    data: Path | None = None  # folder of the store
    name: str = ""  # of this replica among the peers


def run(settings: Settings) -> int:
    """Serve until told to stop; returns the exit code."""
    gc.freeze()  # what is loaded stays: no use in looking through it again and again
    gc.set_threshold(10_000)  # objects; requests make many, and hardly ever a cycle of them
    return uvloop.run(_Worker(settings).run())


class _Worker:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api = Api(Admission(settings.limits))
        self._context_id = b""
        self._keeper = Keeper(settings.data)
        self._supplies = Supplies(self._keeper, settings.name)
        self._replicas: Replicas | None = None
        self._replicas_of: tuple[Sequence[Peer], bytes, int] | None = None  # peers, certificates, minFree
        self._ending: list[asyncio.Task[None]] = []

    async def run(self) -> int:
        self._pool = Pool(deadlines=self._settings.deadlines, counted=_count_token, resumed=_count_resume)
        self._peers = Peers(self._settings.name, deadlines=self._settings.deadlines)
        self._server = Server(
            self._api.handle,
            handler_cancellation=True,  # a client that leaves must not keep an upstream busy
            access_log=None,
            head_seconds=self._settings.limits.head_seconds,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            lingering_time=0.0,  # see request_body
            auto_decompress=False,  # what is pushed is what its digest says, byte for byte
            read_bufsize=READ_BUFFER,
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
            max_headers=HEADER_COUNT,
        )
        self._listeners = Listeners(self._settings.listen, self._server, limits=self._settings.limits)
        self._reloader = Reloader(self._settings.folder, self._apply, poll_seconds=self._settings.poll_seconds)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        parent = socket.socket(fileno=self._settings.channel)
        reader, self._writer = await asyncio.open_unix_connection(sock=parent)
        watching = asyncio.create_task(self._reloader.watch(self._tell))
        orphaned = asyncio.create_task(reader.read())
        stopped = asyncio.create_task(stop.wait())
        trimming = asyncio.create_task(memory.keep_trimmed())
        keeping = asyncio.create_task(self._keeper.run())
        await asyncio.wait((watching, orphaned, stopped), return_when=asyncio.FIRST_COMPLETED)
        failed = watching.exception() if watching.done() else None
        watching.cancel()
        keeping.cancel()
        await self._drain()
        for task in (orphaned, stopped, trimming):
            task.cancel()
        if failed is not None:
            log.emit("error", "worker ends", error=log.where(failed), reason=getattr(failed, "strerror", None))
            return 1
        return 0

    async def _apply(self, mounted: mount.Mounted) -> None:
        config = mounted.config
        await self._keeper.want(config.store is not None)
        routes = await self._pool.use(config.routes)
        peers = await self._peers.use(
            config.peers, alias=config.alias, context=mounted.peer_context, context_id=mounted.context_id
        )
        await self._deal_with_replicas(mounted)
        former = self._api.in_force.gatekeeper if self._api.in_force else None
        self._api.in_force = InForce(
            Gatekeeper(config, former, peer_authorities=mounted.peer_authorities),
            config.alias,
            self._supplies.for_clients(config, routes, peers),
            self._supplies.for_anonymous(routes),
            lambda asking: self._supplies.for_peer(config, routes, peers, asking),
            self._supplies.for_pushers(config, peers),
            self._pushes(config),
            self._replicas,
        )
        if mounted.context_id != self._context_id:
            self._listeners.serve(mounted.context)
            self._context_id = mounted.context_id

    def _pushes(self, config: Config) -> Pushes | None:
        if config.store is None or config.store.role is not Role.COPY:
            return None
        return Pushes(
            self._keeper,
            alias=config.alias,
            replica=self._settings.name,
            min_free=config.store.min_free,
            stall_seconds=self._settings.limits.stall_seconds,
            replicas=self._replicas,
        )

    async def _deal_with_replicas(self, mounted: mount.Mounted) -> None:
        """Have what copies need of each other, until peers, certificates or `minFree` change."""
        config, wanted = mounted.config, None
        if config.store is not None and config.store.role is Role.COPY and self._settings.name and mounted.peer_context:
            wanted = config.peers, mounted.context_id, config.store.min_free
        if wanted == self._replicas_of:
            return
        before, self._replicas, self._replicas_of = self._replicas, None, wanted
        if wanted is not None and config.store is not None:
            hold, context = holding(self._keeper), mounted.peer_context
            has_room = Room(self._keeper.folder, config.store).has
            self._replicas = Replicas(hold, config.peers, own=self._settings.name, context=context, has_room=has_room)
        if before is not None:
            self._ending.append(asyncio.create_task(before.close()))

    def _tell(self) -> None:
        current = self._reloader.current
        state = {"version": current.config.version if current else "", "error": self._reloader.error[:ERROR_LIMIT]}
        self._writer.write(json.dumps(state).encode() + b"\n")

    async def _drain(self) -> None:
        """Accept nothing more, let idle connections go, wait for what is being sent."""
        self._listeners.stop()
        self._server.pre_shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await self._server.shutdown(self._settings.drain_seconds)
                await self._server.gone()
        if self._replicas is not None:
            self._ending.append(asyncio.create_task(self._replicas.close()))
        with contextlib.suppress(TimeoutError):  # what pushes still wait for has had the time to drain
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*self._ending)
        await self._supplies.close()
        with contextlib.suppress(TimeoutError):  # whoever holds the store still has had the time to drain
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._keeper.close()
        await self._peers.close()
        await self._pool.close()


def _count_token(host: str, result: str) -> None:
    metrics.token_fetches.labels(host, result).inc()


def _count_resume(host: str, result: str) -> None:
    metrics.resumes.labels(host, result).inc()
