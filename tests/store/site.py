"""A store under test: pushing images as a client would, looking at what is on disk, moving the clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry_gateway.oci import INDEX_TYPES, MANIFEST_TYPES
from registry_gateway.store.errors import UnknownError
from registry_gateway.store.store import Store

INDEX, MANIFEST = INDEX_TYPES[0], MANIFEST_TYPES[0]
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
TAG = "org.opencontainers.image.ref.name"
NAME = "system/deckhouse"
DAY = 86_400


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds


def digest(body: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def descriptor(body: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(body), "size": len(body)}


def config(label: str = "") -> bytes:
    document = {"architecture": "amd64", "os": "linux", "config": {"Labels": {"of": label}}}
    return json.dumps({**document, "rootfs": {"type": "layers", "diff_ids": []}}).encode()


def manifest(settings: bytes, layers: Sequence[bytes], **more: object) -> bytes:
    entries = [descriptor(layer, LAYER) for layer in layers]
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(settings, CONFIG), "layers": entries}
    return json.dumps({**document, **more}).encode()


def index(*manifests: bytes) -> bytes:
    children = [descriptor(one, MANIFEST) for one in manifests]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode()


def lose(path: Path) -> None:
    """Put something in place of a file that can be opened, and answers EIO when it is read."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


@dataclass
class Site:
    """The store in `folder`."""

    folder: Path
    store: Store
    clock: Clock

    async def push_blob(self, body: bytes, name: str = NAME) -> str:
        """As a client does: start, one chunk, finish."""
        upload = await self.store.uploads.start(name)
        async with await self.store.uploads.resume(name, upload, offset=0) as session:
            await session.write(body)
            await session.commit(digest(body))
        return digest(body)

    async def push_image(self, *layers: bytes, tag: str = "", name: str = NAME, label: str = "") -> str:
        """Config, layers, manifest; returns the manifest's digest."""
        settings = config(label or tag)
        for body in (settings, *layers):
            await self.push_blob(body, name)
        return await self.store.changes.put_manifest(name, manifest(settings, layers), MANIFEST, tag=tag)

    async def read(self, wanted: str, name: str = NAME) -> bytes:
        async with await self.store.contents.blob(name, wanted) as blob:
            return b"".join([piece async for piece in blob.pieces()])

    async def has(self, wanted: str, name: str = NAME) -> bool:
        """Whether it can be read now; nothing counts as used by that."""
        try:
            await self.store.contents.has_blob(name, wanted)
        except UnknownError:
            return False
        return True

    def file(self, wanted: str) -> Path:
        return self.folder / "blobs" / wanted.replace(":", "/")

    def lose(self, wanted: str) -> None:
        """Have every read of its file fail with EIO, as of a bad sector; it can be opened."""
        lose(self.file(wanted))

    def on_disk(self) -> set[str]:
        """Digests of all files that are in place."""
        return {f"{path.parent.name}:{path.name}" for path in (self.folder / "blobs").glob("*/*")}

    def layout(self, name: str = NAME) -> Path:
        return self.folder / "repositories" / name.replace("/", "+")

    def leftovers(self) -> list[str]:
        """Files of writers that did not end."""
        return sorted(path.name for room in ("incoming", "claims") for path in (self.folder / room).iterdir())
