"""What a client waits longer for the first byte of a manifest than without a server in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median, quantiles

from bench import clients
from bench.rounds import alternate
from bench.rows import Row, row
from bench.stage import Stage, stage

REQUESTS, ROUNDS = 500, 5


def bench(say: Callable[[str], None], *, requests: int = REQUESTS, rounds: int = ROUNDS) -> list[Row]:
    """Microseconds added at the median and at the 99th percentile, for every server.

    What is compared are quantiles of all requests through and of all direct ones, which took turns.
    """
    with stage(blob_bytes=0) as servers:
        say(f"first byte: {requests} requests of 4 KiB one after another, {rounds} rounds")
        subjects = {name: _subject(servers, name, requests) for name in servers.servers}
        alternate(subjects, rounds=1)  # connections to the registry behind, caches, first-time code
        pairs = alternate(subjects, rounds=rounds)
    rows = []
    for name, runs in pairs.items():
        direct, through = ([second for run in runs for second in run[place]] for place in (0, 1))
        rows += [
            row(f"{name}.manifest.first_byte_added.p50", (median(through) - median(direct)) * 1e6, "us"),
            row(f"{name}.manifest.first_byte_added.p99", (_p99(through) - _p99(direct)) * 1e6, "us"),
        ]
    return rows


def _subject(servers: Stage, name: str, requests: int) -> Callable[[], list[list[float]]]:
    path, registry, server = servers.manifest, servers.registry, servers.servers[name]
    arguments = [str(servers.ca), str(requests), registry.address, servers.direct(path), server.address, path]

    def ask() -> list[list[float]]:
        pair: list[list[float]] = clients.run("bench.first_byte", arguments)[0]
        return pair

    return ask


def _p99(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=100)[-1]
