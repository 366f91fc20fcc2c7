"""The listening sockets of a worker: how many clients they let in, and how their TLS changes without one being lost."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from registry_gateway import log, metrics
from registry_gateway.connections import Connection
from registry_gateway.limits import LIMITS, Limits, Quota
from registry_gateway.standstill import Standstill

HANDSHAKE_SECONDS = 10.0
BACKLOG = 1024
# Bytes in the kernel that were not sent yet. Without it the send buffer of each slow client grows to 4 MiB; with much
# less a fast one seems to cost a tenth more CPU (docs/internal/GATEWAY-SPEED.md).
NOT_SENT = 1024 * 1024
LOOKS = 8  # at each client in the time for which it may stand still
PAUSE_SECONDS = 1.0  # after an accept that failed, for want of descriptors for instance

Address = tuple[str, int]


class Listeners:
    """Accepts connections for `factory` on `addresses`; every worker has its own sockets (SO_REUSEPORT)."""

    def __init__(
        self, addresses: Sequence[Address], factory: Callable[[], Connection], *, limits: Limits = LIMITS
    ) -> None:
        self._addresses, self._factory = tuple(addresses), factory
        self._quota = Quota(total=limits.connections, per_client=limits.connections_per_client)
        self._stall_seconds = limits.stall_seconds
        self._context: ssl.SSLContext | None = None
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._said = float("-inf")  # when the log was last told of a refusal

    def serve(self, context: ssl.SSLContext) -> None:
        """Accept new connections with `context`; those that are open go on as they are.

        Raises OSError when an address cannot be had.
        """
        self._context = context
        if not self._sockets:
            self._sockets = [_bind(address) for address in self._addresses]
            self._accepting = [asyncio.create_task(self._accept(one)) for one in self._sockets]

    def stop(self) -> None:
        """Accept nothing more; open connections are not touched."""
        for task in self._accepting:
            task.cancel()
        for one in self._sockets:
            one.close()
        self._accepting, self._sockets = [], []

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, (client, *_) = await loop.sock_accept(listening)
            except OSError as error:
                self._say("cannot accept", error=log.where(error), reason=error.strerror)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if limit := self._quota.take(client):
                metrics.closed_connections.labels(limit).inc()
                accepted.close()  # without a word, which would cost a handshake
                self._say("connection refused: too many", client=client, limit=limit)
                continue
            task = asyncio.create_task(self._hold(accepted, client))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _hold(self, accepted: socket.socket, client: str) -> None:
        """Be there as long as the connection is."""
        connection = self._factory()
        metrics.open_connections.inc()
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT)
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
            await self._watch(connection.lost, accepted, transport)
        except OSError:  # ssl.SSLError and time-outs are such: no handshake, no client
            metrics.closed_connections.labels("handshake").inc()
        finally:
            metrics.open_connections.dec()
            self._quota.give_back(client)

    async def _watch(self, lost: asyncio.Future[None], accepted: socket.socket, transport: asyncio.Transport) -> None:
        """Return when the connection has ended; end it when its client takes nothing any more."""
        clock, standstill = asyncio.get_running_loop().time, Standstill(accepted)
        with suppress(OSError):  # closed meanwhile
            while not (await asyncio.wait([lost], timeout=self._stall_seconds / LOOKS))[0]:
                if standstill.seconds(clock()) >= self._stall_seconds:
                    metrics.closed_connections.labels("stall").inc()
                    transport.abort()
                    break
        await lost

    def _say(self, message: str, **fields: object) -> None:
        if time.monotonic() - self._said >= 1.0:  # who is refused may come back at once, thousands of times a second
            self._said = time.monotonic()
            log.emit("warning", message, **fields)


def parse_address(text: str) -> Address:
    """`HOST:PORT`, IPv6 hosts in brackets. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be HOST:PORT")
    return host.strip("[]"), int(port)


def _bind(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound
