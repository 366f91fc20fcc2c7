"""A registry that misbehaves on order: an HTTP/1.1 server of raw bytes, so that every fault can be made exactly.

async with FaultServer(Reply(404)) as server:
    server.address          # "127.0.0.1:41234"
    server.asked            # what was asked, in order
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first header of that name, or ""."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """Every header of that name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass(frozen=True)
class Reply:
    """An answer and its fault. Without a fault the body is sent whole, with its length."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunked: bool = False
    no_length: bool = False  # neither Content-Length nor chunks: ends with the connection
    stop_at: int | None = None  # bytes of the body after which `then` happens
    then: str = "close"  # close | reset | stall
    silent: bool = False  # the request is read and never answered
    raw: bytes = b""  # sent instead of anything else
    hold: asyncio.Event | None = None  # the body waits for it


Behaviour = Callable[[Asked], Reply]


class FaultServer:
    """Listens on a free port of `host`; `behaviour`, a reply for all or one by request, may be replaced at any time."""

    def __init__(
        self, behaviour: Behaviour | Reply, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.behaviour, self._tls, self._host = behaviour, tls, host
        self.asked: list[Asked] = []
        self.idle = asyncio.Event()  # no connection is open
        self.address = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self._host, 0, ssl=self._tls)
        self.address = f"{self._host}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.idle.clear()
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            if not self._tasks:
                self.idle.set()
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        start = await reader.readexactly(1)
        if start == b"\x16":  # the first byte of a TLS handshake
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return False
        head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        pairs = (line.split(":", 1) for line in lines)
        headers = tuple((name, value.strip()) for name, value in pairs)
        lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
        asked = Asked(method, path, query, headers, await reader.readexactly(*lengths) if lengths else b"")
        self.asked.append(asked)
        reply = self.behaviour if isinstance(self.behaviour, Reply) else self.behaviour(asked)
        if reply.silent:
            await reader.read()  # until the client has had enough
            return False
        if reply.raw:
            writer.write(reply.raw)
            await writer.drain()
            return False
        writer.write(_head(reply))
        if method == "HEAD":
            await writer.drain()
            return True
        if reply.hold:
            await writer.drain()
            await reply.hold.wait()
        writer.write(_framed(reply, reply.body[: reply.stop_at]))
        await writer.drain()
        if reply.stop_at is not None:
            await self._fault(reply.then, reader, writer)
            return False
        if reply.chunked:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return not reply.no_length

    async def _fault(self, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if kind == "stall":
            await reader.read()
        if kind == "reset":
            # Nobody may take the reset for the end: what was sent must have arrived before it.
            await asyncio.sleep(0.05)
            plain: socket.socket = writer.get_extra_info("socket")
            linger = struct.pack("ii", 1, 0)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()


def _head(reply: Reply) -> bytes:
    headers = dict(reply.headers)
    if reply.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif not reply.no_length and reply.status != 304:
        headers.setdefault("Content-Length", str(len(reply.body)))
    lines = [f"HTTP/1.1 {reply.status} Because", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _framed(reply: Reply, content: bytes) -> bytes:
    if not reply.chunked or not content:
        return content
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"
