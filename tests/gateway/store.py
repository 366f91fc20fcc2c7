"""A registry with content, for tests of the image check: it has what was put in, and any path may be made to fail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from registry_gateway.check.walk import Walk
from registry_gateway.config import Upstream
from registry_gateway.oci import INDEX_TYPES, MANIFEST_TYPES
from registry_gateway.sources.base import SourceError
from registry_gateway.sources.transport import Deadlines
from registry_gateway.sources.upstream import UpstreamSource
from tests.gateway.serving import PATIENT
from tests.support.fault_server import Asked, FaultServer, Reply

LAYER = b"layer" * 100


class Store:
    """A registry that has what was put into it; `replies` overrides paths."""

    def __init__(self) -> None:
        self.content: dict[str, tuple[str, bytes]] = {}  # path below the repository → media type, bytes
        self.replies: dict[str, Reply] = {}
        self.server = FaultServer(self.behaviour)

    def behaviour(self, asked: Asked) -> Reply:
        path = asked.path.removeprefix("/v2/deckhouse/ee/")
        if asked.path in self.replies or path in self.replies:
            return self.replies.get(asked.path) or self.replies[path]
        if asked.path == "/v2/":
            return Reply(200, body=b"{}")
        if path not in self.content:
            return Reply(404)
        media_type, body = self.content[path]
        return Reply(200, {"Content-Type": media_type}, body)

    def blob(self, body: bytes, media_type: str = "application/octet-stream") -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        self.content[f"blobs/{digest}"] = (media_type, body)
        return {"mediaType": media_type, "digest": digest, "size": len(body)}

    def manifest(self, document: Mapping[str, Any], media_type: str, tag: str = "") -> dict[str, Any]:
        body = json.dumps(document).encode()
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        for reference in (digest, tag):
            self.content[f"manifests/{reference}"] = (media_type, body)
        return {"mediaType": media_type, "digest": digest, "size": len(body)}

    def image(self, *layers: bytes, tag: str = "") -> dict[str, Any]:
        config = self.blob(json.dumps({"n": len(self.content)}).encode())
        entries = [self.blob(layer) for layer in layers or (LAYER,)]
        document = {"schemaVersion": 2, "config": config, "layers": entries}
        return self.manifest({**document, "mediaType": MANIFEST_TYPES[0]}, MANIFEST_TYPES[0], tag)

    def index(self, *children: Mapping[str, Any]) -> dict[str, Any]:
        return self.manifest({"schemaVersion": 2, "manifests": list(children)}, INDEX_TYPES[0])

    @asynccontextmanager
    async def source(self, deadlines: Deadlines = PATIENT) -> AsyncIterator[UpstreamSource]:
        async with self.server:
            made = UpstreamSource(Upstream("id", "http", self.server.address, "deckhouse/ee"), deadlines=deadlines)
            yield made
            await made.close()

    async def verdict(self, reference: str) -> SourceError | None:
        async with self.source() as source:
            [image] = await Walk(source).images([reference])
        return image.verdict()

    def asked(self, method: str) -> list[str]:
        return [one.path.removeprefix("/v2/deckhouse/ee/") for one in self.server.asked if one.method == method]
