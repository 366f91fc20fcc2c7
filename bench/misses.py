"""Blobs that a cache does not have yet: the gateway beside distribution's pull-through mode.

The cost of a miss is counted until the blob is in its place on disk, not only until the client has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import clients, cpus, keepers, process_tree
from bench.behind import behind
from bench.compare import OURS, ratios, say_spread
from bench.keepers import Keeper
from bench.material import ALIAS, PATH, path
from bench.rounds import alternate
from bench.rows import Row, row
from tests.support.gateway import wait_until

BLOB_BYTES, ROUNDS = 64 * 1024 * 1024, 9
STORED_SECONDS = 60.0
AIM = 1.0


@dataclass(frozen=True)
class Miss:
    """CPU seconds of the server, and seconds until the client had all of it."""

    cpu: float
    wall: float


def bench(say: Callable[[str], None], *, blob_bytes: int = BLOB_BYTES, rounds: int = ROUNDS) -> list[Row]:
    """CPU seconds per 10^9 bytes and the client's seconds, of both, and the gateway's in relation to the other's."""
    with behind() as registry, ExitStack() as stack:
        address, tls, measured = registry.server.address, registry.tls, cpus.pinned(cpus.server())
        cache = keepers.gateway(registry.folder / OURS, tls, role="cache", upstream=address, wrapper=measured)
        peer = keepers.distribution(registry.folder / "distribution", tls, upstream=address, wrapper=measured)
        servers = {OURS: stack.enter_context(cache), "distribution": stack.enter_context(peer)}

        def subject(name: str) -> Callable[[], Miss]:
            # A pull-through registry has its upstream's names; the gateway has its own.
            place = {OURS: ALIAS}.get(name, PATH)

            def pull() -> Miss:
                digest = registry.blob(blob_bytes)
                return miss(servers[name], path("blobs", digest, repository=place), digest, ca=tls.ca)

            return pull

        subjects = {name: subject(name) for name in servers}
        alternate(subjects, rounds=1)
        say(f"misses: one client, new blobs of {blob_bytes / 2**20:g} MiB, {rounds} rounds")
        runs = alternate(subjects, rounds=rounds)
    per_gigabyte = {name: [one.cpu / (blob_bytes / 1e9) for one in found] for name, found in runs.items()}
    seconds = {name: [one.wall for one in found] for name, found in runs.items()}
    rows = []
    for what, unit, figures in (("miss.cpu_per_gb", "s/GB", per_gigabyte), ("miss.time", "s", seconds)):
        say_spread(figures, say)
        rows += [row(f"{name}.{what}", median(values), unit) for name, values in figures.items()]
        rows += ratios(what, figures, aims={"distribution": AIM})
    return rows


def miss(keeper: Keeper, asked: str, digest: str, *, ca: Path) -> Miss:
    """One client pulls a blob for the first time."""
    before, started = process_tree.cpu_seconds(keeper.server.pid), time.perf_counter()
    clients.run("bench.client", [keeper.server.address, asked, str(ca), "1", "drop"])
    wall = time.perf_counter() - started
    wait_until(
        lambda: keeper.keeps(digest), what=f"blob in the store of {keeper.server.address}", seconds=STORED_SECONDS
    )
    return Miss(process_tree.cpu_seconds(keeper.server.pid) - before, wall)
