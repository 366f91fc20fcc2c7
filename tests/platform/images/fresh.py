"""Images that no registry, cache or node has seen before: random content, one layer for each platform, one index."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.platform.images.catalogue import Image
from tools.oci.layers import Entry, write_layer
from tools.oci.layout import Layout, pack

CONFIG = {"Entrypoint": ["/none"]}  # they are pulled, never run
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Fresh:
    """An image alone in its layout: what a push needs, and the layer (digest, bytes) that a node pulls."""

    layout: Path
    image: Image
    layer: str
    size: int

    def blob(self, digest: str) -> bytes:
        """Content by digest."""
        return (self.layout / "blobs" / digest.replace(":", "/")).read_bytes()

    def manifests(self) -> list[str]:
        """Digests of the manifests of all platforms, the first of this machine's."""
        return [entry["digest"] for entry in json.loads(self.blob(self.image.digest))["manifests"]]

    def blobs(self, manifest: str) -> list[str]:
        """Digests of a manifest's configuration and layers."""
        document = json.loads(self.blob(manifest))
        return [each["digest"] for each in (document["config"], *document["layers"])]


def fresh(folder: Path, repository: str, tag: str, *, mebibytes: int = 1) -> Fresh:
    """Make one below `folder`, which is its own; both platforms have layers of that size."""
    layout = Layout(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        layers = []
        for machine in ("amd64", "arm64"):
            place = Path(temporary) / machine
            place.mkdir()
            content = [Entry(f"content/{n:03}", os.urandom(MEBIBYTE), mode=0o644) for n in range(mebibytes)]
            write_layer(place / "layer.tar", [Entry("content"), *content])
            layers.append(pack(place / "layer.tar", place, compress=False))
        platforms = [
            layout.image([layer], architecture=machine, config=CONFIG)
            for layer, machine in zip(layers, ("amd64", "arm64"), strict=True)
        ]
    digest = layout.name(layout.index(platforms), tag)
    layout.close()
    descriptor = layers[0].descriptor
    return Fresh(folder, Image(tag, repository, tag, digest), descriptor["digest"], descriptor["size"])
