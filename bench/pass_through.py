"""Passing blobs and manifests through, TLS to the client and TLS to the registry behind: the gateway beside peers."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from bench import process_tree
from bench.compare import OURS, measure, ratios, say_spread
from bench.rows import Row, row
from bench.stage import stage

BLOB_BYTES = 128 * 1024 * 1024
BLOB_STREAMS, BLOB_ROUNDS = 4, 9
MANIFEST_CONNECTIONS, MANIFEST_REQUESTS, MANIFEST_ROUNDS = 8, 400, 7
AIM_PER_GIGABYTE, AIM_PER_REQUEST = 1.05, 1.2


def blobs(say: Callable[[str], None]) -> list[Row]:
    """CPU seconds per 10^9 bytes of every server, the gateway's in relation to its peers', and its memory."""
    with stage(blob_bytes=BLOB_BYTES) as servers:
        say(f"blobs: {BLOB_STREAMS} streams of {BLOB_BYTES >> 20} MiB, {BLOB_ROUNDS} rounds")
        costs = measure(
            servers.servers,
            servers.blob,
            ca=servers.ca,
            connections=BLOB_STREAMS,
            requests=1,
            rounds=BLOB_ROUNDS,
            drop=True,
            say=say,
        )
        peak = process_tree.peak(servers.servers[OURS].pid)
    figures = {name: [cost.per_gigabyte for cost in runs] for name, runs in costs.items()}
    say_spread(figures, say)
    rows = [row(f"{name}.blob.cpu_per_gb", median(values), "s/GB") for name, values in figures.items()]
    rows += ratios("blob.cpu_per_gb", figures, aims={"nginx": AIM_PER_GIGABYTE})
    return [*rows, row(f"{OURS}.rss.peak_{BLOB_STREAMS}_streams", peak / 2**20, "MiB")]


def manifests(say: Callable[[str], None]) -> list[Row]:
    """CPU microseconds per request for a manifest of 4 KiB, and the gateway's in relation to its peers'."""
    with stage(blob_bytes=0) as servers:
        say(f"manifests: {MANIFEST_CONNECTIONS} x {MANIFEST_REQUESTS} requests of 4 KiB, {MANIFEST_ROUNDS} rounds")
        costs = measure(
            servers.servers,
            servers.manifest,
            ca=servers.ca,
            connections=MANIFEST_CONNECTIONS,
            requests=MANIFEST_REQUESTS,
            rounds=MANIFEST_ROUNDS,
            drop=False,
            say=say,
        )
    figures = {name: [cost.per_request for cost in runs] for name, runs in costs.items()}
    say_spread(figures, say)
    rows = [row(f"{name}.manifest.cpu_per_request", median(values), "us") for name, values in figures.items()]
    return rows + ratios("manifest.cpu_per_request", figures, aims={"go": AIM_PER_REQUEST})
