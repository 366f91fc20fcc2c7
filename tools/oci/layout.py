"""A writer of OCI image layouts (image-spec, image-layout.md): blobs by digest, an index that names the images."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
REF_NAME = "org.opencontainers.image.ref.name"

Descriptor = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """A layer ready for any layout: its descriptor, the digest of the uncompressed tar, and the file with its bytes."""

    descriptor: Descriptor
    diff_id: str
    blob: Path


def pack(tar: Path, folder: Path, *, compress: bool = True) -> Layer:
    """Makes a layer of a tar file, below `folder`; `compress` False keeps it as it is (content that does not shrink).

    What `folder` then holds is found again by `packed`, so that a layer is compressed once.
    """
    blob = folder / "blob"
    if compress:
        # Neither a name nor a time: the same tar always gives the same digest.
        with (
            tar.open("rb") as plain,
            blob.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as stream,
        ):
            shutil.copyfileobj(plain, stream, 1 << 20)
    else:
        shutil.copyfile(tar, blob)
    media_type = LAYER + "+gzip" if compress else LAYER
    descriptor = {"mediaType": media_type, "digest": _digest_of(blob), "size": blob.stat().st_size}
    record = {"descriptor": descriptor, "diff_id": _digest_of(tar)}
    (folder / "layer.json").write_bytes(_canonical(record))
    return packed(folder)


def packed(folder: Path) -> Layer:
    """The layer that `pack` left in `folder`."""
    record = json.loads((folder / "layer.json").read_text(encoding="utf-8"))
    return Layer(record["descriptor"], record["diff_id"], folder / "blob")


class Layout:
    """An image layout being written below `path`; `close` makes it one that tools accept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._named: list[Descriptor] = []
        (path / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)

    def _keep(self, layer: Layer) -> None:
        blob = self._blob(layer.descriptor["digest"])
        if not blob.exists():
            try:
                blob.hardlink_to(layer.blob)
            except OSError:  # another file system
                shutil.copyfile(layer.blob, blob)

    def image(self, layers: Sequence[Layer], *, architecture: str, config: Mapping[str, Any]) -> Descriptor:
        """A manifest for linux/`architecture`; `config` is the runtime part (Entrypoint, User, …)."""
        for layer in layers:
            self._keep(layer)
        image_config = {
            "architecture": architecture,
            "config": dict(config),
            "created": "1970-01-01T00:00:00Z",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._json(image_config, CONFIG),
            "layers": [layer.descriptor for layer in layers],
        }
        return {**self._json(manifest, MANIFEST), "platform": {"architecture": architecture, "os": "linux"}}

    def index(self, manifests: Sequence[Descriptor]) -> Descriptor:
        """An index of several platforms."""
        return self._json({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}, INDEX)

    def name(self, image: Descriptor, tag: str) -> str:
        """Names an image or index in the layout; returns its digest."""
        bare = {key: value for key, value in image.items() if key != "platform"}
        self._named.append({**bare, "annotations": {REF_NAME: tag}})
        return str(image["digest"])

    def close(self) -> None:
        """Writes `oci-layout` and `index.json`."""
        (self.path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="utf-8")
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self._named}
        (self.path / "index.json").write_bytes(_canonical(index))

    def _json(self, value: Mapping[str, Any], media_type: str) -> Descriptor:
        content = _canonical(value)
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self._blob(digest).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def _blob(self, digest: str) -> Path:
        return self.path / "blobs" / digest.replace(":", "/")


def named_digests(layout: Path) -> dict[str, str]:
    """Tag → digest of a finished layout."""
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    return {entry["annotations"][REF_NAME]: entry["digest"] for entry in index["manifests"]}


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
