"""A registry of many images in memory that measures how it is asked: how often for what, and how much at a time.

Its latency is either seconds, or a round trip that lasts until `full` requests wait: then it tells by counts, on a
machine of any speed, whether whoever asks keeps so many under way.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from types import TracebackType
from typing import Any, Self, cast

from tests.support.images import INDEX, MANIFEST

BASE = "/v2/deckhouse/ee/"
QUIET = 0.2  # seconds without a new request after which those that wait are answered although they are fewer
BLOB_BYTES = 64


class ImageRegistry:
    """`images` images of `layers` layers; every `index_every`th is an index of two platforms. Ten images in a row have
    their first three layers in common. With `full` the latency counts requests, else it is `latency` seconds.
    """

    def __init__(
        self, *, images: int, layers: int, index_every: int = 5, full: int = 0, latency: float = 0.0, host: str = ""
    ) -> None:
        self.content: dict[str, tuple[str, bytes]] = {}  # "manifests/…", "blobs/…" → media type, bytes
        self.images = [self._image(number, layers, index_every) for number in range(images)]
        self.asked: Counter[tuple[str, str]] = Counter()  # (method, path)
        self.most = 0  # requests at a time
        self.trips = 0  # how often requests that waited were answered together
        self._full, self._latency, self._host = full, latency, host or "127.0.0.1"
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []
        self._open = 0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(lambda: _Connection(self), self._host, 0)
        self.address = f"{self._host}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.close()

    @property
    def expected(self) -> Counter[tuple[str, str]]:
        """Every manifest once by GET, every blob once by HEAD, and `/v2/`."""
        paths = [("GET" if path.startswith("manifests/") else "HEAD", BASE + path) for path in self.content]
        return Counter([("GET", "/v2/"), *paths])

    def arrived(self, method: str, path: str, transport: asyncio.Transport) -> None:
        """A request is here; its answer comes after the latency."""
        self.asked[method, path] += 1
        self._open += 1
        self.most = max(self.most, self._open)
        answer = self._answer(method, path)
        if not self._full:
            self._loop.call_later(self._latency, self._send, transport, answer)
            return
        self._waiting.append((transport, answer))
        if self._timer:
            self._timer.cancel()
        if len(self._waiting) >= self._full:
            self._trip()
        else:
            self._timer = self._loop.call_later(QUIET, self._trip)

    def _trip(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.trips += 1
        for transport, answer in waiting:
            self._send(transport, answer)

    def _send(self, transport: asyncio.Transport, answer: bytes) -> None:
        self._open -= 1
        transport.write(answer)

    def _answer(self, method: str, path: str) -> bytes:
        media_type, body = self.content.get(path.removeprefix(BASE), ("", b""))
        status = "200 OK" if media_type or path == "/v2/" else "404 Not Found"
        head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type or 'text/plain'}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + (b"" if method == "HEAD" else body)

    def _image(self, number: int, layers: int, index_every: int) -> str:
        ours = [
            self._put("blobs", f"{number // 10 if place < 3 else number}/{place}".encode().ljust(BLOB_BYTES), "x/layer")
            for place in range(layers)
        ]
        if number % index_every:
            return str(self._manifest(f"image {number}", ours)["digest"])
        children = [self._manifest(f"image {number} for {platform}", ours) for platform in ("amd64", "arm64")]
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode()
        return str(self._put("manifests", index, INDEX)["digest"])

    def _manifest(self, config: str, layers: list[dict[str, Any]]) -> dict[str, Any]:
        described = self._put("blobs", config.encode().ljust(BLOB_BYTES), "x/config")
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
        return self._put("manifests", json.dumps(document).encode(), MANIFEST)

    def _put(self, kind: str, body: bytes, media_type: str) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        self.content[f"{kind}/{digest}"] = (media_type, body)
        return {"mediaType": media_type, "digest": digest, "size": len(body)}


class _Connection(asyncio.Protocol):
    """Reads heads of requests; none of them has a body, and none comes before the one before it is answered."""

    def __init__(self, registry: ImageRegistry) -> None:
        self._registry, self._head = registry, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            method, path, _ = self._head.partition(b"\r\n")[0].decode().split(" ")
            self._head = b""
            self._registry.arrived(method, path, self._transport)
