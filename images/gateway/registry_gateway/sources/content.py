"""Answers made of content that is known by its digest: validators, ranges, headers (RFC 9110 §13, §14)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from registry_gateway.sources import ranges
from registry_gateway.sources.base import Answer, Query, Reason, SourceError
from registry_gateway.sources.ranges import Span, UnsatisfiableError

BLOB_TYPE = "application/octet-stream"
STORE = "store"  # as a source, in logs and metrics


@dataclass(frozen=True, slots=True)
class Part:
    """What of the content is to be sent: bytes `start` to before `stop`, none for HEAD and 304."""

    status: int
    headers: dict[str, str]
    length: int
    start: int = 0
    stop: int = 0


def part(query: Query, *, digest: str, total: int, media_type: str) -> Part:
    """What to answer to `query`, whose content has `total` bytes. Raises SourceError (416)."""
    etag = f'"{digest}"'
    headers = {"Content-Type": media_type, "Docker-Content-Digest": digest, "ETag": etag, "Accept-Ranges": "bytes"}
    asked = {name.lower(): value for name, value in query.headers}
    if _matches(asked.get("if-none-match", ""), etag):
        return Part(304, headers, 0)
    span = None
    if query.method == "GET" and asked.get("if-range", etag) == etag:
        span = _span(asked.get("range", ""), total)
    if query.method != "GET":
        return Part(200, headers, total)
    if span is None:
        return Part(200, headers, total, 0, total)
    headers["Content-Range"] = f"bytes {span.first}-{span.last}/{total}"
    return Part(206, headers, span.length, span.first, span.last + 1)


def whole(query: Query, content: bytes, *, digest: str, media_type: str, source: str) -> Answer:
    """An answer from content in memory. Raises SourceError (416)."""
    wanted = part(query, digest=digest, total=len(content), media_type=media_type)
    return sent(wanted, source=source, body=once(content[wanted.start : wanted.stop]), arrived=query.method == "GET")


def sent(
    wanted: Part,
    *,
    source: str,
    body: AsyncIterator[bytes | bytearray],
    arrived: bool = False,
    close: Callable[[], Awaitable[None]] | None = None,
) -> Answer:
    """An answer of `wanted`, of which `body` gives the bytes."""
    answer = Answer(wanted.status, wanted.headers, source, length=wanted.length, body=body)
    answer.arrived = arrived and wanted.status != 304
    if close is not None:
        answer.close = close
    return answer


async def once(content: bytes) -> AsyncIterator[bytes]:
    """`content` as a body."""
    yield content


def _span(header: str, total: int) -> Span | None:
    try:
        return ranges.wanted(header, total)
    except UnsatisfiableError:
        raise SourceError(
            Reason.UPSTREAM_ERROR,
            f"the content has {total} bytes, and none of those asked for",
            host=STORE,
            status=416,
            content_range=f"bytes */{total}",
        ) from None


def _matches(header: str, etag: str) -> bool:
    """Whether `If-None-Match` names it; weak ones count (RFC 9110 §13.1.2)."""
    return header.strip() == "*" or etag in (one.strip().removeprefix("W/") for one in header.split(","))
