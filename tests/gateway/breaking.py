"""A registry with one blob that breaks while it is sent, and knows ranges."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

from registry_gateway.sources.base import Answer, BodyError, Query
from registry_gateway.target import Kind
from tests.support.fault_server import Asked, FaultServer, Reply

BODY = random.Random(1).randbytes(300_000)  # the same in every process: names of tests hold its digest
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
BREAK = 100_000
BLOB = Query(Kind.BLOB, "", DIGEST)


def part(asked: Asked, *, stop_at: int | None = None, then: str = "close", etag: str = "") -> Reply:
    """What a server that knows ranges answers, and where it breaks."""
    headers = {"ETag": etag} if etag else {}
    words = asked.header("Range").removeprefix("bytes=")
    if not words:
        return Reply(200, headers, BODY, stop_at=stop_at, then=then)
    first, last = (int(word) for word in words.split("-"))
    headers["Content-Range"] = f"bytes {first}-{last}/{len(BODY)}"
    return Reply(206, headers, BODY[first : last + 1], stop_at=stop_at, then=then)


class Breaking:
    """Breaks the first `times` bodies; later ones are whole unless `rest` answers instead."""

    def __init__(
        self,
        *,
        times: int = 1,
        stop_at: int = BREAK,
        then: str = "close",
        etag: str = "",
        rest: Callable[[Asked], Reply] | Reply | None = None,
    ) -> None:
        self.left, self._stop_at, self._then, self._etag, self._rest = times, stop_at, then, etag, rest
        self.server = FaultServer(self.behaviour)

    def behaviour(self, asked: Asked) -> Reply:
        if self.left > 0:
            self.left -= 1
            return part(asked, stop_at=self._stop_at, then=self._then, etag=self._etag)
        if isinstance(self._rest, Reply):
            return self._rest
        return self._rest(asked) if self._rest else part(asked, etag=self._etag)

    @property
    def ranges(self) -> list[str]:
        return [asked.header("Range") for asked in self.server.asked]


async def gather(answer: Answer) -> tuple[bytes, str]:
    """What arrives of a body, and why it ended early ("" when it did not)."""
    received = bytearray()
    try:
        async for piece in answer.body:
            received += piece
    except BodyError as error:
        return bytes(received), error.reason
    finally:
        await answer.close()
    return bytes(received), ""
