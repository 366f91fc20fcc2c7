"""Sending a source's answer to the client as it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aiohttp import web

from registry_gateway import links, metrics
from registry_gateway.memory import ROOM
from registry_gateway.oci import Code, OciError
from registry_gateway.sources.base import Answer, BodyError

LIST_LIMIT = 16 * 1024 * 1024  # bytes of a list of tags, the one body that is read whole: the name in it is rewritten


@dataclass(slots=True)
class Sent:
    """What became of an answer: bytes of the body sent, and why it was cut off ("" when it was not)."""

    bytes: int = 0
    aborted: str = ""


async def stream(request: web.BaseRequest, answer: Answer, headers: dict[str, str], sent: Sent) -> web.StreamResponse:
    """Send `answer`, piece by piece at the client's pace; `sent` is kept up to date.

    When the body breaks, the client's connection is aborted: whatever was sent must not look complete.
    """
    headers = {**answer.headers, **headers}
    response = await _whole(answer, headers) if answer.arrived else _begun(request, answer, headers)
    metrics.inflight.inc()
    try:
        if request.transport is not None:
            request.transport.set_write_buffer_limits(high=ROOM.write_buffer)
        await response.prepare(request)
        if not answer.arrived and request.method != "HEAD" and answer.status != 304:
            async for piece in answer.body:
                for slice_ in _slices(piece):
                    await response.write(slice_)
                    sent.bytes += len(slice_)
        await response.write_eof()
        if answer.arrived:
            sent.bytes = answer.length or 0
    except BodyError as error:
        sent.aborted = f"upstream_{error.reason}"
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        sent.aborted = "client_gone"
    finally:
        metrics.inflight.dec()
    return response


async def tags(answer: Answer, headers: dict[str, str], sent: Sent, *, name: str) -> web.Response:
    """Send a list of tags under the name the client asked for. Raises OciError when the source sent no such list."""
    content = bytearray()
    try:
        async for piece in answer.body:
            content += piece
            if len(content) > LIST_LIMIT:
                raise OciError(502, Code.UNAVAILABLE, f"{answer.source} sent a list of tags above {LIST_LIMIT} bytes")
    except BodyError:
        raise OciError(502, Code.UNAVAILABLE, f"{answer.source} did not send the whole list of tags") from None
    body = links.rename_tags(bytes(content), name=name)
    if body is None:
        raise OciError(502, Code.UNAVAILABLE, f"{answer.source} sent no list of tags")
    sent.bytes = len(body)
    return web.Response(status=answer.status, headers={**answer.headers, **headers}, body=body)


def _slices(piece: bytes | bytearray) -> Iterator[bytes | bytearray | memoryview]:
    size = ROOM.slice
    if len(piece) <= size:
        yield piece
        return
    view = memoryview(piece)
    for start in range(0, len(piece), size):
        yield view[start : start + size]


async def _whole(answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    """It goes out with its headers in one packet; a StreamResponse sends them ahead."""
    try:
        content = b"".join([piece async for piece in answer.body])
    except BodyError:  # nothing was sent yet, so it can be said
        raise OciError(502, Code.UNAVAILABLE, f"{answer.source} sent less than it announced") from None
    return web.Response(status=answer.status, headers=headers, body=content)


def _begun(request: web.BaseRequest, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=headers)
    if answer.length is not None:
        response.content_length = answer.length
    elif request.method != "HEAD" and answer.status != 304:
        response.enable_chunked_encoding()
    return response
