"""An HTTP proxy on real sockets: CONNECT for https, absolute addresses for http; and one that refuses.

async with ProxyServer({"registry.example.com:443": server.address}) as proxy:
    proxy.address           # "127.0.0.1:41234"
    proxy.asked             # what was asked, in order
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Passed:
    """A request as it came: `target` is `host:port` of a CONNECT, an address otherwise."""

    method: str
    target: str
    login: str  # Proxy-Authorization


class ProxyServer:
    """Listens on a free port of the loopback address. `places` stands in for the DNS behind it: `host:port` as asked
    for → where it is; what is not there is answered with 502. `status` other than 0 is the answer to everything."""

    def __init__(
        self,
        places: Mapping[str, str] | None = None,
        *,
        status: int = 0,
        silent: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.places = dict(places or {})
        self.status, self._silent, self._tls = status, silent, tls
        self.asked: list[Passed] = []
        self.address = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
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
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._serve(reader, writer):
                pass
        self._tasks.discard(task)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request, or a whole tunnel; whether another request may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        own = [line for line in lines if line.lower().startswith("proxy-")]
        login = next((line.partition(":")[2].strip() for line in own if "authorization" in line.lower()), "")
        self.asked.append(Passed(method, target, login))
        if self._silent:
            await reader.read()
            return False
        parts = urlsplit(target if "://" in target else f"//{target}")
        place = self.places.get(f"{parts.hostname}:{parts.port or 80}")
        if self.status or place is None:
            writer.write(f"HTTP/1.1 {self.status or 502} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return True
        host, _, port = place.rpartition(":")
        there, to_there = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            kept = [f"{method} {path} HTTP/1.1", *(line for line in lines if line not in own)]
            to_there.write(("\r\n".join(kept) + "\r\n\r\n").encode("latin-1"))
        back = asyncio.create_task(_copy(there, writer))
        try:
            if method != "CONNECT":
                return await self._serve(reader, writer)  # the next request comes when this answer is complete
            forth = asyncio.create_task(_copy(reader, to_there))
            await asyncio.wait((forth, back), return_when=asyncio.FIRST_COMPLETED)
            forth.cancel()
        finally:
            back.cancel()
            to_there.close()
        return False


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
