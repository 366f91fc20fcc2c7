"""The registry behind and the servers in front of it, all over TLS with certificates of one authority.

The servers to compare each have the same CPU to themselves, one worker, and no client but the bench's. What the
gateway has to do besides (logging in, names, its access log) is part of its figures; its peers only pass on.
Both of their sides use the cipher that containerd, being written in Go, prefers: the registry behind takes no other,
and clients offer no other. Left alone OpenSSL would take another one than Go, and the bench would compare ciphers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import cpus, go_proxy, haproxy, nginx, ours
from bench.material import ALIAS, PATH, certificates, content, path
from bench.running import Server

PEERS = {"nginx": nginx.proxy, "haproxy": haproxy.proxy, "go": go_proxy.proxy}
MANIFEST_BYTES = 4096


@dataclass(frozen=True)
class Stage:
    """Servers by name, the paths to ask them for, the registry behind, and the authority that clients trust."""

    servers: dict[str, Server]
    blob: str
    manifest: str
    registry: Server
    ca: Path

    def direct(self, path: str) -> str:
        """What `path` is at the registry behind."""
        return path.replace(f"/v2/{ALIAS}/", f"/v2/{PATH}/", 1)


@contextmanager
def stage(*, blob_bytes: int) -> Iterator[Stage]:
    """Start everything; `blob_bytes` is the size of the blob, 0 for none."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        tls = certificates(folder)
        root = folder / "root"
        blob = path("blobs", content(root, "blobs", blob_bytes))
        manifest = path("manifests", content(root, "manifests", MANIFEST_BYTES))
        behind, measured = cpus.pinned(cpus.others()), cpus.pinned(cpus.server())
        upstream = stack.enter_context(nginx.static(folder / "upstream", root, tls, wrapper=behind))
        config = ours.configuration(tls, upstream=upstream.address)
        running = stack.enter_context(ours.gateway(folder / "gateway", tls, config, wrapper=measured))
        servers = {"gateway": running}
        for peer, start in PEERS.items():
            servers[peer] = stack.enter_context(start(folder / peer, upstream.address, PATH, tls, wrapper=measured))
        yield Stage(servers, blob, manifest, upstream, tls.ca)
