"""One other replica, as a client of it: over the API that clients use, and over the replicas' own part of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
from yarl import URL

from registry_gateway.oci import INDEX_TYPES, MANIFEST_TYPES
from registry_gateway.replicas import wire
from registry_gateway.sources.peer import HEADER, Ask, Asking
from registry_gateway.store import manifests
from registry_gateway.store.stamps import Stamped

CONNECT_SECONDS = 2.0  # replicas are in one network
IDLE_SECONDS = 30.0  # without a byte, while something is sent
_QUICK = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=IDLE_SECONDS)
_PATIENT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=None)

Document = TypeVar("Document")

_ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))


class PeerError(Exception):
    """A replica did not answer, or with something else than was asked for. The message has no text of its answer."""


class PeerRefusedError(PeerError):
    """It answered with `status`."""

    def __init__(self, peer: str, status: int) -> None:
        super().__init__(f"{peer} answered {status}")
        self.status = status


def session(context: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """Connections to peers, with the certificate in `context`; None for plain HTTP. Close it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context or True, limit=0),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
    )


class Peer:
    """The replica `name` at `base`, asked by the replica `own`. Everything raises PeerError."""

    def __init__(self, name: str, base: str, *, own: str, session: aiohttp.ClientSession) -> None:
        self.name, self._base, self._session = name, URL(base), session
        self._asking = {HEADER: Asking(own, Ask.STORE).header}

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        patient: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Its answer, the body unread; `path` may have a query, all of it encoded. With `patient` it may take any time.

        Errors while the body is read become PeerError, too.
        """
        try:
            async with self._session.request(
                method,
                self._base.join(URL(path, encoded=True)),
                data=body,
                headers={**(headers or {}), **self._asking},
                allow_redirects=False,
                timeout=_PATIENT if patient else _QUICK,
            ) as response:
                yield response
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # TimeoutError is one of OSError
            raise PeerError(f"{self.name} does not answer ({type(error).__name__})") from None

    async def is_ready(self, seconds: float) -> bool:
        """Whether it answers as a replica within `seconds`."""
        try:
            async with asyncio.timeout(seconds), self._ok("GET", wire.STATE) as response:
                await response.read()
        except (PeerError, TimeoutError):
            return False
        return True

    async def summary(self) -> dict[str, str]:
        """The hash of each of its repositories."""
        return await self._document(wire.SUMMARY, wire.read_summary)

    async def names(self, repository: str, *, after: str) -> list[Stamped]:
        """A page of the names of a repository behind `after`; an empty one is the end."""
        query = URL.build(query={"after": after}).raw_query_string
        return await self._document(f"{wire.NAMES}{repository}?{query}", wire.read_names)

    async def tell(self, body: bytes) -> bool:
        """Have it take changes (`wire.render_changes`); whether it could. Then it has them on disk."""
        return await self._document(wire.CHANGES, wire.read_taken, body=body)

    async def manifest(self, repository: str, digest: str) -> tuple[bytes, str]:
        """A manifest and its media type; None of it is verified."""
        path = f"/v2/{repository}/manifests/{digest}"
        async with self._ok("GET", path, headers={"Accept": _ACCEPT}) as response:
            return await self._whole(response, manifests.LIMIT), response.content_type

    @asynccontextmanager
    async def blob(self, repository: str, digest: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """The length of a blob, and it in pieces."""
        async with self._ok("GET", f"/v2/{repository}/blobs/{digest}") as response:
            if response.content_length is None:
                raise PeerError(f"{self.name} sends a blob without its length")
            yield response.content_length, response.content.iter_any()

    @asynccontextmanager
    async def _ok(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self.ask(method, path, body=body, headers=headers) as response:
            if response.status != 200:
                raise PeerRefusedError(self.name, response.status)
            yield response

    async def _document(self, path: str, read: Callable[[bytes], Document], *, body: bytes | None = None) -> Document:
        async with self._ok("GET" if body is None else "POST", path, body=body) as response:
            found = await self._whole(response, wire.LIMIT)
        try:
            return read(found)
        except wire.WireError as error:
            raise PeerError(f"{self.name} sent something else than was asked for: {error}") from None

    async def _whole(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > limit:
                raise PeerError(f"{self.name} sends more than {limit} bytes of what must be shorter")
        return bytes(body)
