"""Requests for an upload that began at another replica: handed on as they come, answered as that one answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import HttpVersion11, web

from registry_gateway.oci import Code, OciError
from registry_gateway.replicas.liveness import Liveness
from registry_gateway.replicas.peer import Peer, PeerError
from registry_gateway.sources.peer import HEADER

RETRY_AFTER = "5"  # seconds
_LOOK_SECONDS = 0.5  # between looks at whether the owner lives
_SENT_ON = ("Content-Length", "Content-Range", "Content-Type")
_PASSED_BACK = (
    *("Location", "Range", "Docker-Upload-UUID", "Docker-Content-Digest", "OCI-Chunk-Min-Length"),
    *("Content-Type", "Content-Length", "Retry-After", "Docker-Distribution-Api-Version"),
)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def forward(
    request: web.BaseRequest, owner: str, liveness: Liveness, *, begun: Callable[[web.StreamResponse], None]
) -> web.StreamResponse:
    """Have the replica `owner` answer `request`, of whose body nothing was read; `begun` gets the answer before it is
    sent, for headers of our own. The owner may take any time as long as it is alive.

    Raises OciError: 404 for an owner that is no peer (any more), 503 when it does not answer; what it has of the
    upload is still there then.
    """
    peer = next((peer for peer in liveness.peers if peer.name == owner), None)
    if peer is None or HEADER in request.headers:  # a peer would not ask who is not the owner, except by mistake
        raise OciError(404, Code.BLOB_UPLOAD_UNKNOWN, "the upload began at a replica that is gone; start it again")
    headers = {name: request.headers[name] for name in _SENT_ON if name in request.headers}
    body = _body(request) if request.body_exists else None
    asking = peer.ask(request.method, request.raw_path, body=body, headers=headers, patient=True)
    response: web.StreamResponse | None = None
    try:
        async with _while_live(peer, liveness), asking as answer:
            response = web.StreamResponse(status=answer.status)
            response.headers.update({name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers})
            begun(response)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response
    except PeerError:
        if response is not None and response.prepared:
            raise
        raise OciError(
            503,
            Code.UNAVAILABLE,
            f"the upload is at replica {owner}, which does not answer; try again, or start it again",
            retry_after=RETRY_AFTER,
        ) from None


@asynccontextmanager
async def _while_live(peer: Peer, liveness: Liveness) -> AsyncIterator[None]:
    """Raises PeerError when `peer` is not alive, or not any more before the context ends."""
    await liveness.known()

    async def watch(limit: asyncio.Timeout) -> None:
        while liveness.is_live(peer):  # noqa: ASYNC110 - that time passes is no event
            await asyncio.sleep(_LOOK_SECONDS)
        limit.reschedule(0.0)

    if not liveness.is_live(peer):
        raise PeerError(f"{peer.name} is not alive")
    try:
        async with asyncio.timeout(None) as limit:
            watching = asyncio.create_task(watch(limit))
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        raise PeerError(f"{peer.name} is not alive any more") from None


async def _body(request: web.BaseRequest) -> AsyncIterator[bytes]:
    if request.version == HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # the answer has not begun
    async for piece in request.content.iter_any():
        yield piece
