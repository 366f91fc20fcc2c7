"""Serving a blob from the store, over TLS: the gateway beside nginx with the same file, and distribution with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

from bench import cpus, keepers, nginx
from bench.behind import behind
from bench.compare import OURS, measure, ratios, say_spread
from bench.material import ALIAS, PATH, path
from bench.rows import Row, row
from tests.support.registry_client import RegistryClient

BLOB_BYTES = 128 * 1024 * 1024
STREAMS, ROUNDS = 4, 9
AIMS = {"nginx": 1.0, "distribution": 1.0}


def bench(say: Callable[[str], None], *, blob_bytes: int = BLOB_BYTES, rounds: int = ROUNDS) -> list[Row]:
    """CPU seconds per 10^9 bytes of each server, and the gateway's in relation to the others'."""
    with behind() as registry, ExitStack() as stack:
        folder, root, tls, measured = registry.folder, registry.root, registry.tls, cpus.pinned(cpus.server())
        digest = registry.blob(blob_bytes)
        (root / "v2" / ALIAS).parent.mkdir(parents=True)
        (root / "v2" / ALIAS).symlink_to(root / "v2" / PATH)  # nginx itself is asked for the clients' path
        cache = keepers.gateway(folder / OURS, tls, role="cache", upstream=registry.server.address, wrapper=measured)
        peer = stack.enter_context(keepers.distribution(folder / "distribution", tls, wrapper=measured))
        client = RegistryClient(peer.server.address, ca=tls.ca.read_text())
        client.push_blob(ALIAS, (root / "v2" / PATH / "blobs" / digest).read_bytes())
        servers = {
            OURS: stack.enter_context(cache).server,
            "nginx": stack.enter_context(nginx.static(folder / "nginx", root, tls, wrapper=measured)),
            "distribution": peer.server,
        }
        say(f"hits: {STREAMS} streams of {blob_bytes / 2**20:g} MiB, {rounds} rounds")
        costs = measure(
            servers,
            path("blobs", digest),
            ca=tls.ca,
            connections=STREAMS,
            requests=1,
            rounds=rounds,
            drop=True,
            say=say,
        )
    figures = {name: [cost.per_gigabyte for cost in runs] for name, runs in costs.items()}
    say_spread(figures, say)
    rows = [row(f"{name}.hit.cpu_per_gb", median(values), "s/GB") for name, values in figures.items()]
    return rows + ratios("hit.cpu_per_gb", figures, aims=AIMS)
