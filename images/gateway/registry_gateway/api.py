"""The distribution API: who asks, what for, from which source; and one line in the access log. Decisions are
elsewhere.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from registry_gateway import links, log, metrics, relay, request_body, target, translate
from registry_gateway.access import ANONYMOUS, Gatekeeper, Identity
from registry_gateway.admission import Admission
from registry_gateway.memory import ROOM
from registry_gateway.oci import API_VERSION, Code, OciError
from registry_gateway.replicas.replicas import Replicas
from registry_gateway.sources.base import Answer, Query, Source, SourceError
from registry_gateway.sources.ordered import NoAnswerError, Ordered, Supply
from registry_gateway.sources.peer import HEADER, Asking
from registry_gateway.target import Kind, Target

PASSED_ON = ("Accept", "Range", "If-Range", "If-None-Match", "If-Modified-Since", "User-Agent")
READ_ONLY = "read-only: push to the registry behind this address"
_READS = ("GET", "HEAD")
_REPLICAS = "replicas"  # the kind of what replicas ask of each other, apart from content


class Pushes(Protocol):
    """Who answers requests that write, and those for uploads. It decides whether `identity` may."""

    async def handle(
        self,
        request: web.BaseRequest,
        asked: Target,
        identity: Identity,
        *,
        begun: Callable[[web.StreamResponse], None],
    ) -> web.StreamResponse:
        """Answer `request` for `asked`; `begun` gets the answer before it is sent. Raises OciError."""
        ...


_NOTHING = Ordered(())


def _nothing_for_peers(asking: Asking) -> Supply:
    del asking
    return _NOTHING


@dataclass(frozen=True, slots=True)
class InForce:
    """What a configuration means for requests. A request keeps the one it began with.

    `supply` answers clients that are known, `for_anonymous` those that are not, `for_peers` what another replica asks
    for, `for_pushers` what those who may push ask by HEAD: is it there, or must it be pushed? None: as everybody.
    `pushes` takes what is written; None: nothing may be written. `replicas` answers what the others ask for to keep
    equal.
    """

    gatekeeper: Gatekeeper
    alias: str
    supply: Supply
    for_anonymous: Supply = _NOTHING
    for_peers: Callable[[Asking], Supply] = _nothing_for_peers
    for_pushers: Supply | None = None
    pushes: Pushes | None = None
    replicas: Replicas | None = None

    def supply_of(self, request: web.BaseRequest, identity: Identity) -> Supply:
        """Who answers a request that reads."""
        if identity is ANONYMOUS:
            return self.for_anonymous
        if identity.peer:
            return self.for_peers(Asking.parse(request.headers.get(HEADER, "")))
        if identity.may_push and request.method == "HEAD" and self.for_pushers is not None:
            return self.for_pushers
        return self.supply


@dataclass(slots=True)
class _Line:
    """One line of the access log, filled while the request is answered."""

    id: str
    started: float
    identity: str = ""
    kind: str = ""
    source: str = ""
    bytes: int = 0
    first_byte: float = 0.0
    aborted: str = ""
    error: str = ""
    tried: list[str] = field(default_factory=list)


class Api:
    """Answers requests by what is `in_force`; None means that no configuration was ever valid."""

    def __init__(self, admission: Admission | None = None) -> None:
        self.in_force: InForce | None = None
        self._admission = admission or Admission()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The handler for `aiohttp.web.Server`. Raises nothing but cancellation."""
        line = _Line(secrets.token_hex(8), time.perf_counter())
        response: web.StreamResponse | None = None
        try:
            response = await self._answer(request, line)
        except OciError as error:
            response = _refuse(error, line)
        except asyncio.CancelledError:
            line.aborted = line.aborted or "client_gone"
            raise
        except Exception as error:  # a defect; the client gets an answer all the same
            line.error = log.where(error)
            response = _refuse(OciError(500, Code.UNKNOWN, "internal error, see the gateway's log"), line)
        finally:
            _finish(request, line, response.status if response is not None else 499)
        if not await request_body.leave(request) and not response.prepared:
            response.force_close()  # says so: who sent the next request on this connection would lose it
        return response

    async def _answer(self, request: web.BaseRequest, line: _Line) -> web.StreamResponse:
        in_force = self.in_force
        if in_force is None:
            raise OciError(503, Code.UNAVAILABLE, "not configured yet", retry_after=translate.RETRY_SECONDS)
        path, _, query = request.raw_path.partition("?")
        identity = self._admission.identify(request, in_force.gatekeeper)
        line.identity = identity.label
        if in_force.replicas is not None and in_force.replicas.is_asked(path):
            line.kind = _REPLICAS
            return await in_force.replicas.handle(request, identity)
        asked = target.parse(path)
        line.kind = asked.kind.value
        if request.method not in _READS or asked.kind in (Kind.UPLOAD, Kind.CATALOG):
            if in_force.pushes is not None:
                return await self._push(request, line, in_force.pushes, asked, identity)
            raise _read_only(asked)
        if asked.kind is Kind.BASE:
            return web.Response(body=b"{}", content_type="application/json", headers=_own(line))
        rest = target.below(in_force.alias, asked.name)
        supply = in_force.supply_of(request, identity)
        with ROOM.stream():
            return await self._pass_on(request, line, identity, supply, asked, _query(request, asked, rest, query))

    async def _push(
        self, request: web.BaseRequest, line: _Line, pushes: Pushes, asked: Target, identity: Identity
    ) -> web.StreamResponse:
        length = request.content_length if request.body_exists else 0
        with ROOM.stream(), self._admission.stream(request, length, identity):
            return await pushes.handle(request, asked, identity, begun=lambda answer: answer.headers.update(_own(line)))

    async def _pass_on(
        self, request: web.BaseRequest, line: _Line, identity: Identity, supply: Supply, asked: Target, query: Query
    ) -> web.StreamResponse:
        def failed(source: Source, error: SourceError) -> None:
            line.tried.append(f"{source.label}: {error.reason.value}")
            metrics.failovers.labels(source.label, error.reason.value).inc()

        try:
            answer = await supply.answer(query, failed)
        except NoAnswerError as error:
            raise translate.failure(error, asked.kind) from None
        line.source = answer.source
        line.first_byte = time.perf_counter() - line.started
        sent = relay.Sent()
        try:
            headers = _own(line)
            _rewrite_link(answer, asked, headers)
            if asked.kind is Kind.TAGS:
                answer.length = None  # another name makes another length
            if asked.kind is Kind.TAGS and request.method == "GET" and answer.status == 200:
                return await relay.tags(answer, headers, sent, name=asked.name)
            with self._admission.stream(request, answer.length, identity):
                return await relay.stream(request, answer, headers, sent)
        finally:
            line.bytes, line.aborted = sent.bytes, sent.aborted
            await answer.close()


def _read_only(asked: Target) -> OciError:
    if asked.kind is Kind.CATALOG:
        return OciError(404, Code.UNSUPPORTED, "no such endpoint")
    return OciError(405, Code.UNSUPPORTED, READ_ONLY, allow="GET, HEAD")


def _query(request: web.BaseRequest, asked: Target, rest: str, raw: str) -> Query:
    return Query(
        kind=asked.kind,
        rest=rest,
        reference=asked.reference,
        method=request.method,
        headers=[(name, value) for name in PASSED_ON for value in request.headers.getall(name, ())],
        parameters=links.parameters(raw) if asked.kind in (Kind.TAGS, Kind.REFERRERS) else "",
    )


def _rewrite_link(answer: Answer, asked: Target, headers: dict[str, str]) -> None:
    passed = dict(answer.headers)
    link = passed.pop("Link", "")
    answer.headers = passed
    if link and asked.kind in (Kind.TAGS, Kind.REFERRERS):
        last = "tags/list" if asked.kind is Kind.TAGS else f"referrers/{asked.reference}"
        ours = links.next_page(link, ours=f"/v2/{asked.name}/{last}")
        if ours:
            headers["Link"] = ours


def _own(line: _Line) -> dict[str, str]:
    return {"X-Request-Id": line.id, "Server": "registry-gateway", **API_VERSION}


def _refuse(error: OciError, line: _Line) -> web.Response:
    line.error = line.error or error.message
    return web.Response(
        status=error.status,
        body=error.body(),
        content_type="application/json",
        headers={**error.headers, **_own(line)},
    )


def _finish(request: web.BaseRequest, line: _Line, status: int) -> None:
    seconds = time.perf_counter() - line.started
    series = metrics.series(metrics.method_label(request.method), line.kind or "other", status, line.source)
    series.requests.inc()
    series.duration_seconds.observe(seconds)
    if line.source:
        series.first_byte_seconds.observe(line.first_byte)
        series.sent_bytes.inc(line.bytes)
    if line.aborted:
        metrics.aborts.labels(line.aborted).inc()
    if line.kind == _REPLICAS and status < 400:
        return  # every worker of every replica asks every few seconds
    log.emit(
        "warning" if line.aborted or status >= 500 else "info",
        "request",
        id=line.id,
        client=request.remote,
        identity=line.identity,
        method=request.method,
        path=request.raw_path.partition("?")[0],
        status=status,
        bytes=line.bytes,
        seconds=round(seconds, 4),
        source=line.source,
        tried=line.tried or None,
        aborted=line.aborted,
        error=line.error,
    )
