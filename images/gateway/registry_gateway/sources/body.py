"""The body of an upstream's answer. One that breaks is continued once from where it is, if that is safe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

from registry_gateway.sources import ranges
from registry_gateway.sources.base import BodyError, SourceError
from registry_gateway.sources.transport import Headers

Ask = Callable[[Headers], Awaitable[aiohttp.ClientResponse]]


class Body:
    """The body of `response`.

    `ask` sends the request again with headers for a range; None when what it names may have changed meanwhile.
    `counted` hears what became of a continuation: ok, refused (another answer than the bytes wanted), unreachable or
    broken (it broke as well).
    """

    def __init__(self, response: aiohttp.ClientResponse, ask: Ask | None, counted: Callable[[str], None]) -> None:
        self._response, self._ask, self._counted = response, ask, counted
        self._length = self._left = response.content_length  # bytes; None for a chunked body
        self._continued = False

    def release(self) -> None:
        """Let the connection go, back into the pool if the body was read to its end."""
        self._response.release()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes as they come; to be read once. Raises BodyError when they end early."""
        while piece := await self._next():
            yield piece
        if self._continued:
            self._counted("ok")

    async def _next(self) -> bytes:
        try:
            return await self._read()
        except BodyError as error:
            cause = error
        if self._continued:
            self._counted("broken")
        elif self._ask is not None and self._length and self._left and self._left > 0:
            span = ranges.span(self._response.status, self._response.headers, self._length)
            if span is not None:
                await self._continue(self._ask, span.after(self._length - self._left), cause)
                return await self._next()
        raise cause

    async def _read(self) -> bytes:
        try:
            piece, more = b"", True
            while more and not piece:  # pieces as they came, not joined; the end of an HTTP chunk is an empty one
                piece, more = await self._response.content.readchunk()
        except TimeoutError:
            raise BodyError("stalled") from None
        except (aiohttp.ClientError, OSError, RuntimeError):  # the last: the source was closed between two pieces
            raise BodyError("broken") from None
        if self._left is not None:
            self._left -= len(piece)
            if self._left < 0 or (self._left > 0 and not piece):
                raise BodyError("broken")
        return piece

    async def _continue(self, ask: Ask, wanted: ranges.Span, cause: BodyError) -> None:
        """Replace the response by one whose body is `wanted`. Raises `cause` when there is none."""
        broken = self._response
        broken.close()
        try:
            self._response = await ask(ranges.request(wanted, broken.headers))
        except SourceError:
            self._counted("unreachable")
            raise cause from None
        headers, length = self._response.headers, self._response.content_length
        same_coding = headers.get("Content-Encoding") == broken.headers.get("Content-Encoding")
        if ranges.span(self._response.status, headers, length) != wanted or length is None or not same_coding:
            self._response.close()
            self._counted("refused")
            raise cause
        self._continued = True
