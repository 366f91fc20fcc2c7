"""Images as `docker save` archives: the sandbox image, and whatever a node is to have without any registry."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .failure import ClusterError
from .plan import SANDBOX_IMAGE

BUSYBOX = Path("/bin/busybox")


def write_image(target: Path, *, name: str, entrypoint: Sequence[str], files: Mapping[str, bytes]) -> Path:
    """Write an archive with one image of one layer (path → content, executable); returns `target`."""
    layer = _tar(files)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint)},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }
    content = json.dumps(config).encode()
    config_name = hashlib.sha256(content).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    target.write_bytes(_tar({"manifest.json": json.dumps(manifest).encode(), config_name: content, "layer.tar": layer}))
    return target


def write_sandbox_image(target: Path) -> Path:
    """The image that holds a pod's namespaces. Raises ClusterError without busybox-static."""
    return write_image(
        target, name=SANDBOX_IMAGE, entrypoint=["/sleep", "2147483647"], files={"sleep": static_busybox()}
    )


def static_busybox() -> bytes:
    """A program that runs in an empty image. Raises ClusterError when the Debian package is missing."""
    try:
        return BUSYBOX.read_bytes()
    except OSError as error:
        raise ClusterError(f"{BUSYBOX}: {error.strerror}; install busybox-static") from error


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
