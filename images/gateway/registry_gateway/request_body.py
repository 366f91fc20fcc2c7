"""Bodies of requests, or what is left of them, for which nothing here has a use."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

BODY_LIMIT = 64 * 1024  # bytes that are read; a manifest that somebody tries to push is below it
BODY_SECONDS = 1.0
ANSWER_SECONDS = 2.0  # in which a client that goes on sending can read the answer


async def leave(request: web.BaseRequest) -> bool:
    """Have done with the body of `request`: a short one is read, so that the connection can serve again and its client
    sees the answer; a longer one costs the connection, soon after the answer. Whether the connection can serve again.
    """
    content, left = request.content, BODY_LIMIT
    if "Expect" not in request.headers:  # else it comes only when it is asked for
        with contextlib.suppress(TimeoutError, ConnectionError, web.RequestPayloadError):
            async with asyncio.timeout(BODY_SECONDS):
                while left > 0 and not content.at_eof():
                    left -= len(await content.readany())
    if content.at_eof():
        return True
    if request.transport is not None:
        asyncio.get_running_loop().call_later(ANSWER_SECONDS, request.transport.abort)
    return False
