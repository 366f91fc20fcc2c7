"""The body of a request that pushes: asked for when it is wanted, read at the pace of whoever takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import HttpVersion11, StreamReader, web

from registry_gateway import metrics
from registry_gateway.memory import ROOM
from registry_gateway.oci import Code, OciError

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Body:
    """The body of `request`; whoever sends it may be silent for `stall_seconds`.

    Raises OciError (415) when it is encoded: content is what its digest says, byte for byte.
    """

    def __init__(self, request: web.BaseRequest, *, stall_seconds: float) -> None:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise OciError(415, Code.UNSUPPORTED, "Content-Encoding: send the content as it is")
        self._request, self._stall_seconds = request, stall_seconds
        self.length = request.content_length if request.body_exists else 0  # bytes; None: not announced

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises OciError (408) when it stops coming, or can be read no further."""
        request = self._request
        if request.version == HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(_CONTINUE)
            request.writer.output_size = 0  # the answer has not begun
        request.content.set_read_chunk_size(ROOM.read_buffer)  # before it was known who asks, less had to do
        while piece := await self._next():
            metrics.received.inc(len(piece))
            yield piece

    async def whole(self, *, limit: int) -> bytes | None:
        """All of it; None when it is longer than `limit` bytes. Raises what `pieces` does."""
        if self.length is not None and self.length > limit:
            return None
        content = bytearray()
        async for piece in self.pieces():
            content += piece
            if len(content) > limit:
                return None
        return bytes(content)

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._stall_seconds):
                return await self._piece(self._request.content)
        except TimeoutError:
            raise OciError(
                408,
                Code.SIZE_INVALID,
                f"nothing came for {self._stall_seconds:g} s; send it again, of an upload what it has not got yet",
            ) from None

    async def _piece(self, content: StreamReader) -> bytes:
        """One piece as it came; `readany` would copy all that wait into one. Empty at the end."""
        piece = b""
        while not piece and not content.at_eof():  # the end of a chunk of the transfer coding is an empty piece
            piece, _ = await content.readchunk()
        return piece
