"""The registry behind caches: nginx with files, to which content is added while it runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import cpus, material, nginx
from bench.running import Server, Tls


@dataclass(frozen=True)
class Behind:
    """`folder` is for the servers in front of it, `root` holds its files."""

    folder: Path
    root: Path
    server: Server
    tls: Tls

    def blob(self, size: int) -> str:
        """The digest of a new blob, unknown to everybody before."""
        return material.content(self.root, "blobs", size)


@contextmanager
def behind() -> Iterator[Behind]:
    """Run it until the block ends."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        tls, root = material.certificates(folder), folder / "root"
        wrapper = cpus.pinned(cpus.others())
        with nginx.static(folder / "upstream", root, tls, wrapper=wrapper) as server:
            yield Behind(folder, root, server, tls)
