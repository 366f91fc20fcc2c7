"""Images made on the spot as an OCI layout, and their way into a registry by skopeo."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Image:
    """An image in an OCI layout: `digest` is that of the index; blobs by kind, in the order they were made."""

    layout: Path
    digest: str
    manifests: tuple[str, ...]
    configs: tuple[str, ...]
    layers: tuple[str, ...]

    def blob(self, digest: str) -> bytes:
        """The bytes of one blob of the layout."""
        return (self.layout / "blobs" / digest.replace(":", "/")).read_bytes()


def build_image(
    layout: Path,
    *,
    layers: Sequence[Mapping[str, bytes]],
    platforms: Sequence[str] = ("linux/amd64",),
    config: Mapping[str, Any] | None = None,
) -> Image:
    """An index with one manifest per platform; `layers` are path → content. Platforms differ in their config only.

    `config` is the runtime part (Entrypoint, Env, …) of the image configuration.
    """
    (layout / "blobs" / "sha256").mkdir(parents=True)
    tars = [_tar(files) for files in layers]
    packed = [_put(layout, gzip.compress(tar, mtime=0), LAYER) for tar in tars]
    children, configs = [], []
    for platform in platforms:
        system, _, machine = platform.partition("/")
        image_config = {
            "os": system,
            "architecture": machine,
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": [_digest(tar) for tar in tars]},
        }
        entry = _put(layout, _json(image_config), CONFIG)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": entry, "layers": packed}
        child = _put(layout, _json(manifest), MANIFEST)
        children.append({**child, "platform": {"os": system, "architecture": machine}})
        configs.append(entry["digest"])
    index = _put(layout, _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}), INDEX)
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [index]}))
    return Image(
        layout,
        index["digest"],
        tuple(child["digest"] for child in children),
        tuple(configs),
        tuple(dict.fromkeys(layer["digest"] for layer in packed)),
    )


def push_image(
    image: Image, *, address: str, repository: str, tag: str, ca: str = "", user: str = "", password: str = ""
) -> None:
    """Copy the whole index to `address/repository:tag` with skopeo; plain HTTP when `ca` is empty.

    Raises subprocess.CalledProcessError, with skopeo's words in `stderr`.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ca.crt").write_text(ca)
        trust = [f"--dest-cert-dir={folder}"] if ca else ["--dest-tls-verify=false"]
        login = [f"--dest-creds={user}:{password}"] if user else ["--dest-no-creds"]
        source, target = f"oci:{image.layout}", f"docker://{address}/{repository}:{tag}"
        subprocess.run(
            ["skopeo", "copy", "-q", "--all", "--preserve-digests", *trust, *login, source, target],
            check=True,
            capture_output=True,
            text=True,
        )


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _put(layout: Path, content: bytes, media_type: str) -> dict[str, Any]:
    digest = _digest(content)
    (layout / "blobs" / digest.replace(":", "/")).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
