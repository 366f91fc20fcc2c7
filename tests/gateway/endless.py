"""A registry whose blobs are 1 GiB of one repeated block, made while they are sent, and a client that reads blocks."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from tests.gateway.processes import LOGIN

BLOCK = os.urandom(64 * 1024)
MANIFEST = os.urandom(4096)
BLOB_SIZE = 1 << 30
BLOB = "/v2/system/deckhouse/blobs/sha256:" + "0" * 64
_ADDRESSES = 20  # of clients, so that none of them has too much for one


class _Registry(asyncio.Protocol):
    def __init__(self) -> None:
        self._came, self._left, self._paused = b"", 0, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._came += data
        while b"\r\n\r\n" in self._came:
            head, _, self._came = self._came.partition(b"\r\n\r\n")
            is_blob = b"/blobs/" in head.partition(b"\r\n")[0]
            size = BLOB_SIZE if is_blob else len(MANIFEST)
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % size
            )
            if is_blob:
                self._left = size
                self._go_on()
            else:
                self._transport.write(MANIFEST)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._go_on()

    def _go_on(self) -> None:
        while self._left and not self._paused and not self._transport.is_closing():
            self._transport.write(BLOCK)
            self._left -= len(BLOCK)


@asynccontextmanager
async def registry(tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve until the block ends; yields the address."""
    bound = _narrow()
    bound.bind(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(_Registry, sock=bound, ssl=tls, backlog=2048)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


def _narrow() -> socket.socket:
    """A socket whose buffers stay small: what the kernel takes at first costs CPU and is not what is tested."""
    made = socket.socket()
    made.setblocking(False)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        made.setsockopt(socket.SOL_SOCKET, option, 128 * 1024)
    return made


class Client:
    """One connection to the gateway. `number` chooses its address; `login` is its Authorization, or empty."""

    def __init__(
        self, gateway: str, context: ssl.SSLContext, *, number: int = 0, login: str = LOGIN["Authorization"]
    ) -> None:
        self._gateway, self._context, self._number = gateway, context, number
        self._login = f"Authorization: {login}\r\n" if login else ""

    async def connect(self) -> None:
        """Make the connection."""
        host, _, port = self._gateway.rpartition(":")
        bound = _narrow()
        bound.bind((f"127.0.0.{2 + self._number % _ADDRESSES}", 0))
        await asyncio.get_running_loop().sock_connect(bound, (host, int(port)))
        self._reader, self._writer = await asyncio.open_connection(
            sock=bound, ssl=self._context, server_hostname=host, ssl_handshake_timeout=60, limit=len(BLOCK)
        )

    async def ask(self, path: str) -> int:
        """Ask for `path`; returns the length of what comes. Raises AssertionError when the status is not 200."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{self._login}\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        assert head[0].split()[1] == "200", head[0]
        return next(int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:"))

    async def read(self, size: int) -> bytes:
        """Exactly `size` bytes of what was asked for."""
        return await self._reader.readexactly(size)

    def close(self) -> None:
        """Leave, whatever is under way."""
        self._writer.transport.abort()
