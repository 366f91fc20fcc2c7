"""The server's connections: how long each may take for a request's head, how much it may hold back of an answer, and
when the last of them has gone.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from registry_gateway import metrics
from registry_gateway.limits import LIMITS


class Connection(web.RequestHandler):
    """aiohttp's, and an end to the patience for a request's head: aiohttp itself waits for ever for the first one."""

    def __init__(self, manager: web.Server, *, head_seconds: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_seconds = head_seconds
        self._begun = self._loop.time()  # made when the client is accepted: its handshake counts
        self._patience: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[None] = self._loop.create_future()  # done when a connection that was made has ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        super().connection_made(transport)
        self._patience = self._loop.call_at(self._begun + self._head_seconds, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Bytes have come. The first ones while no request is being answered begin a head."""
        idle, heads = self._waiter is not None and not self._waiter.done(), self._request_count
        super().data_received(data)
        if self._request_count != heads:
            self._be_patient()
        elif idle and data and self._patience is None:
            self._patience = self._loop.call_later(self._head_seconds, self._give_up)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client has gone."""
        super().connection_lost(exc)
        self._be_patient()
        if not self.lost.done():
            self.lost.set_result(None)

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if self.transport is not None:
            metrics.closed_connections.labels("head").inc()
            self.transport.abort()


class Server(web.Server):
    """aiohttp's low-level server, which does not wait for what closed connections have yet to send; `gone` does."""

    def __init__(self, *args: Any, head_seconds: float = LIMITS.head_seconds, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_seconds = head_seconds
        self._open = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def __call__(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(self, loop=self._loop, head_seconds=self._head_seconds, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """A client has come."""
        super().connection_made(handler, transport)
        self._open += 1
        self._empty.clear()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """A client has gone, and all that was written for it has been handed to the kernel or given up."""
        super().connection_lost(handler, exc)
        self._open -= 1
        if self._open == 0:
            self._empty.set()

    async def gone(self) -> None:
        """Return when there is no connection. The loop must not end before: what a transport holds would be lost."""
        await self._empty.wait()
