"""Connections to one upstream: trust, deadlines, proxies, redirects."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver
from multidict import CIMultiDict
from yarl import URL

from registry_gateway import tls
from registry_gateway.config import Upstream
from registry_gateway.memory import ROOM
from registry_gateway.proxies import Proxy
from registry_gateway.sources import proxied, verdict
from registry_gateway.sources.addresses import Resolver, is_disguised
from registry_gateway.sources.base import Reason, SourceError

REDIRECT_LIMIT = 5
DRAIN_LIMIT = 64 * 1024  # bytes of an unwanted body that are read to keep the connection; a longer one costs it
HEADER_LIMIT = 32 * 1024  # bytes of one header of an answer: tokens and signed addresses are long
KEEP_ALIVE = 30.0  # seconds an idle connection is kept; below the 60 s after which common servers close theirs

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# What aiohttp would add by itself. Compression is refused: bytes pass as they are, and their length must be known.
_OWN_HEADERS = (("Accept-Encoding", "identity"),)
_NO_AUTO_HEADERS = frozenset(("Accept", "User-Agent"))

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. There is none for a whole body: a large layer on a slow line takes as long as it takes."""

    connect: float = 3.0
    first_byte: float = 15.0
    idle: float = 60.0


DEADLINES = Deadlines()


class Transport:
    """The connections to one upstream and to where it points. Must be made inside a running event loop.

    `context`: instead of one that trusts the system's authorities and those of `upstream`.
    """

    def __init__(self, upstream: Upstream, deadlines: Deadlines, context: ssl.SSLContext | None = None) -> None:
        self.base = URL(f"{upstream.scheme}://{upstream.host}")
        self.deadlines = deadlines
        self._proxies = upstream.proxies
        # Of an http upstream, too: its storage may be https.
        self._tls = context or tls.upstream_context(upstream.ca)
        self._resolver = Resolver(self.base.raw_host or "")
        self._direct = self._session(self._resolver)
        # Here only names of proxies are resolved, and those the administrator may have put anywhere.
        self._proxied = self._session(ThreadedResolver())

    def _session(self, resolver: AbstractResolver) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._tls,
                resolver=resolver,
                limit=0,  # limits belong to the serving side; a queue here would only hide it
                keepalive_timeout=KEEP_ALIVE,
                ttl_dns_cache=10,
            ),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self.deadlines.connect, sock_read=self.deadlines.idle
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NO_AUTO_HEADERS,
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
        )

    async def send(self, method: str, url: URL, headers: Headers, body: bytes | None = None) -> aiohttp.ClientResponse:
        """Send a request and follow redirects; the answer's body is unread. Raises SourceError when there is no
        answer.

        `Authorization` among `headers` stays behind when a redirect leaves the origin, and does not come back. A
        `body` has credentials: it goes to `url` only.
        """
        for _ in range(REDIRECT_LIMIT + 1):
            self._refuse_local(url.raw_host or "")
            response = await self._once(method, url, headers, body)
            location = response.headers.get("Location") if response.status in _REDIRECTS else None
            if location is None or body is not None:
                return response
            await discard(response)
            target = self._redirect(url, location)
            if target.origin() != url.origin():
                headers = [(name, value) for name, value in headers if name.lower() != "authorization"]
            url = target
        raise self._bad_redirect(f"redirects more than {REDIRECT_LIMIT} times")

    async def close(self) -> None:
        """Close every connection, streams in progress included."""
        await self._direct.close()
        await self._proxied.close()

    async def _once(self, method: str, url: URL, headers: Headers, body: bytes | None) -> aiohttp.ClientResponse:
        seconds, proxy = self.deadlines.first_byte, self._proxies.choose(url)
        if self._direct.closed:  # while an answer was being read: the gateway stops, or was told of other registries
            raise SourceError(Reason.UNREACHABLE, f"{authority(url)} is not asked any more", host=authority(url))
        try:
            async with asyncio.timeout(seconds):
                if proxy is None:
                    return await self._direct.request(
                        method,
                        url,
                        headers=_all(headers),
                        data=body,
                        allow_redirects=False,
                        read_bufsize=ROOM.read_buffer,
                    )
                response = await self._through(proxy, method, url, headers, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if proxy is None:
                raise verdict.of_exception(error, authority(url), seconds=seconds) from None
            raise proxied.of_exception(error, authority(url), proxy, seconds=seconds) from None
        if response.status == 407 and url.scheme == "http":
            await discard(response)
            raise proxied.of_status(407, authority(url), proxy)
        return response

    async def _through(
        self, proxy: Proxy, method: str, url: URL, headers: Headers, body: bytes | None
    ) -> aiohttp.ClientResponse:
        """Send through `proxy`: https by CONNECT, so that the credentials for it stay there; http as it is."""
        own = basic(proxy.user, proxy.password)
        login = [("Proxy-Authorization", own)] if own else []
        tunnel, plain = (login, []) if url.scheme == "https" else ([], login)
        return await self._proxied.request(
            method,
            url,
            headers=_all([*headers, *plain]),
            data=body,
            allow_redirects=False,
            proxy=proxy.url,
            proxy_headers=CIMultiDict(tunnel),
            read_bufsize=ROOM.read_buffer,
        )

    def _refuse_local(self, host: str) -> None:
        """A proxy would go to such an address, too: whoever points there may not, whichever way it is."""
        if host != self.base.raw_host and (is_disguised(host) or not self._resolver.allows(host)):
            raise self._bad_redirect("points to a loopback or link-local address")

    def _redirect(self, source: URL, location: str) -> URL:
        try:
            target = source.join(URL(location, encoded=True))  # encoded: a signature covers every byte
            host, port = target.raw_host or "", target.port
        except ValueError:
            raise self._bad_redirect("redirects to what is no address") from None
        if target.scheme not in ("http", "https") or not host or port is None:
            raise self._bad_redirect("redirects to what is no web address")
        if source.scheme == "https" and target.scheme == "http":
            raise self._bad_redirect(f"redirects to {host} without TLS")
        if target.raw_user is not None or target.raw_password is not None:
            raise self._bad_redirect(f"redirects to {host} with credentials in the address")
        return target.with_fragment(None)

    def _bad_redirect(self, what: str) -> SourceError:
        host = authority(self.base)
        return SourceError(Reason.UPSTREAM_ERROR, f"{host} {what}; this is not followed", host=host, status=502)


def _all(headers: Headers) -> CIMultiDict[str]:
    return CIMultiDict([*headers, *_OWN_HEADERS])


async def discard(response: aiohttp.ClientResponse) -> None:
    """Have done with a body nobody wants: read it if it is short, so that the connection can serve again."""
    try:
        async with asyncio.timeout(1.0):
            left = DRAIN_LIMIT
            while left > 0 and (piece := await response.content.read(left)):
                left -= len(piece)
    except (aiohttp.ClientError, OSError):
        response.close()
    response.release()


def authority(url: URL) -> str:
    """`host[:port]` as an administrator writes it."""
    return url.raw_authority.rpartition("@")[2]


def basic(user: str, password: str) -> str:
    """The header's value for Basic authentication; "" without a user."""
    return aiohttp.encode_basic_auth(user, password) if user else ""
