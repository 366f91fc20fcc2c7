"""A registry as a source: the real thing behind the fixed address."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from yarl import URL

from registry_gateway import names
from registry_gateway.config import Upstream
from registry_gateway.sources import verdict
from registry_gateway.sources.authorizer import Authorizer, Login
from registry_gateway.sources.base import Answer, Query, Reason, SourceError, ignore
from registry_gateway.sources.body import Ask, Body
from registry_gateway.sources.breaker import STUMBLING, Breaker, Outcome
from registry_gateway.sources.transport import DEADLINES, Deadlines, Headers, Transport, authority, discard
from registry_gateway.target import Kind

# Headers of an answer that mean something to a client of the distribution API; the rest is the upstream's own
# business.
PASSED_BACK = (
    "Accept-Ranges",
    "Content-Encoding",
    "Content-Range",
    "Content-Type",
    "Docker-Content-Digest",
    "ETag",
    "Last-Modified",
    "Link",
    "OCI-Filters-Applied",
    "OCI-Subject",
    "Warning",
)
_RANGES = frozenset(("range", "if-range", "if-none-match", "if-modified-since"))  # what a continuation asks anew
_BY_DIGEST = (Kind.BLOB, Kind.MANIFEST)
_PATHS = {Kind.MANIFEST: "manifests/", Kind.BLOB: "blobs/", Kind.TAGS: "tags/list", Kind.REFERRERS: "referrers/"}


class UpstreamSource:
    """One upstream with its connections and tokens. Must be made inside a running event loop.

    For metrics, `counted` hears the result of every token request, and `resumed` that of every broken body's
    continuation. `context` is the TLS to ask it with, by default that of its `ca`.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        deadlines: Deadlines = DEADLINES,
        counted: Callable[[str], None] = ignore,
        resumed: Callable[[str], None] = ignore,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.upstream = upstream
        self._resumed = resumed
        self._transport = Transport(upstream, deadlines, context)
        self._authorizer = Authorizer(upstream, self._transport, counted=counted)
        self._breaker = Breaker()
        self._in_use = 0
        self._retired = False

    @property
    def label(self) -> str:
        """Its host."""
        return self.upstream.host

    @property
    def ailing(self) -> bool:
        """Whether it failed lately, see `breaker`."""
        return self._breaker.ailing

    async def fetch(self, query: Query) -> Answer:
        """See `base.Source`."""
        name = names.join(self.upstream.path, query.rest)
        if name is None:
            raise verdict.of_status(404, self.label, what="the registry's root: no repository has an empty name")
        url = self.url(name, query)
        self._in_use += 1
        try:
            response = await self._ask(query.method, url, query.headers, name)
            return await self._answer(query, name, url, response)
        except BaseException:
            await self._leave()
            raise

    def url(self, name: str, query: Query) -> URL:
        """Where `query` goes for the repository `name` of this upstream."""
        return self._url(f"/v2/{name}/{_PATHS[query.kind]}{query.reference}", query.parameters)

    def login(self, name: str) -> Login:
        """How requests for the repository `name` have had to log in so far."""
        return self._authorizer.login(_scope(name))

    async def probe(self) -> None:
        """Whether it is a registry that takes the credentials. Raises SourceError when not."""
        self._in_use += 1
        try:
            response = await self._ask("GET", self._url("/v2/"), (), self.upstream.path)
            status, kind = response.status, response.content_type
            await discard(response)
            if status == 404 or (status == 200 and kind == "text/html"):
                raise verdict.not_a_registry(self.label, f"it answered {status} to /v2/")
            if status != 200:
                raise verdict.of_status(status, self.label, what="/v2/")
        finally:
            await self._leave()

    async def retire(self) -> None:
        """Close once the last answer in progress has been read."""
        self._retired = True
        if self._in_use == 0:
            await self._transport.close()

    async def close(self) -> None:
        """Close now."""
        await self._transport.close()

    async def _leave(self) -> None:
        self._in_use -= 1
        if self._retired and self._in_use == 0:
            await self._transport.close()

    async def _ask(self, method: str, url: URL, headers: Headers, name: str) -> aiohttp.ClientResponse:
        """Send with credentials; after a 401 once more with what it asks for."""
        with self._breaker.attempt() as attempt:
            try:
                response = await self._ask_with_credentials(method, url, headers, _scope(name))
            except SourceError as error:
                if error.reason in (Reason.UNREACHABLE, Reason.TLS_FAILED):
                    attempt.outcome = Outcome.FAILED
                raise
            attempt.outcome = Outcome.STUMBLED if response.status in STUMBLING else Outcome.ANSWERED
            return response

    async def _ask_with_credentials(
        self, method: str, url: URL, headers: Headers, scope: str
    ) -> aiohttp.ClientResponse:
        sent = await self._authorizer.header(scope)
        response = await self._transport.send(method, url, _with(headers, sent))
        if response.status != 401 or not self._is_own(response):
            return response
        wanted = response.headers.getall("WWW-Authenticate", [])
        await discard(response)
        again = await self._authorizer.answer(wanted, scope=scope, sent=sent)
        # If there is no other way, the 401 is the answer.
        return await self._transport.send(method, url, _with(headers, again)) if again else response

    async def _answer(self, query: Query, name: str, url: URL, response: aiohttp.ClientResponse) -> Answer:
        status = response.status
        if status not in (200, 206, 304):
            await discard(response)
            raise self._refusal(query, name, response)
        if query.kind is not Kind.BLOB and response.content_type == "text/html":
            response.close()
            raise verdict.not_a_registry(self.label, "it answered with a web page")
        has_body = query.method != "HEAD" and status != 304
        length = response.content_length
        if has_body and length is None and response.headers.get("Transfer-Encoding", "").lower() != "chunked":
            # A body that only ends with the connection cannot be told from one that was cut off.
            response.close()
            raise SourceError(
                Reason.UPSTREAM_ERROR, f"{self.label} sends {name} without a length", host=self.label, status=502
            )
        body = Body(response, self._continuation(query, name, url), self._resumed)

        async def close() -> None:
            body.release()
            await self._leave()

        return Answer(
            status=status,
            headers=_passed_back(response.headers),
            source=self.label,
            name=name,
            length=length,
            arrived=has_body and length is not None and response.content.is_eof(),
            body=body.pieces(),
            close=close,
        )

    def _continuation(self, query: Query, name: str, url: URL) -> Ask | None:
        """How to ask for another part of the same bytes; None when the reference does not say which bytes they are."""
        if query.kind not in _BY_DIGEST or ":" not in query.reference:  # a tag has no colon
            return None

        def ask(headers: Headers) -> Awaitable[aiohttp.ClientResponse]:
            kept = [(key, value) for key, value in query.headers if key.lower() not in _RANGES]
            return self._ask(query.method, url, [*kept, *headers], name)

        return ask

    def _refusal(self, query: Query, name: str, response: aiohttp.ClientResponse) -> SourceError:
        if not self._is_own(response) and response.status != 416:
            return verdict.of_storage(response.status, self.label, authority(response.url))
        reference = query.reference
        separator = "" if not reference else "@" if names.is_digest(reference) else ":"
        return verdict.of_status(
            response.status,
            self.label,
            what=f"{name}{separator}{reference}",
            retry_after=response.headers.get("Retry-After", "")[:64],
            content_range=response.headers.get("Content-Range", "")[:64],
        )

    def _is_own(self, response: aiohttp.ClientResponse) -> bool:
        return response.url.origin() == self._transport.base.origin()

    def _url(self, path: str, parameters: str = "") -> URL:
        # `encoded`: the path was checked against the grammar, the parameters are passed on byte for byte.
        return URL(f"{self._transport.base}{path}" + (f"?{parameters}" if parameters else ""), encoded=True)


def _scope(name: str) -> str:
    return f"repository:{name}:pull"


def _with(headers: Headers, authorization: str) -> Headers:
    return [*headers, ("Authorization", authorization)] if authorization else headers


def _passed_back(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in PASSED_BACK if name in headers}
