"""Clients against one server, and what serving them cost it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench import clients, process_tree
from bench.running import Server


@dataclass(frozen=True)
class Cost:
    """`cpu` seconds of the server for `requests` and `bytes`; `busy` is the share of its CPU it used meanwhile."""

    cpu: float
    requests: int
    bytes: int
    busy: float
    cipher: str

    @property
    def per_gigabyte(self) -> float:
        """CPU seconds per 10^9 bytes of bodies."""
        return self.cpu / (self.bytes / 1e9)

    @property
    def per_request(self) -> float:
        """CPU microseconds."""
        return self.cpu / self.requests * 1e6


def load(server: Server, path: str, *, ca: Path, connections: int, requests: int, drop: bool = False) -> Cost:
    """`requests` in a row by each of `connections` clients; `drop` is for large bodies, see `client`.

    Raises RuntimeError when an answer is not whole.
    """
    arguments = [server.address, path, str(ca), str(requests), "drop" if drop else "read"]
    before, started = process_tree.cpu_seconds(server.pid), time.perf_counter()
    results = clients.run("bench.client", arguments, count=connections)
    wall = time.perf_counter() - started
    cpu = process_tree.cpu_seconds(server.pid) - before
    return Cost(cpu, connections * requests, sum(r["bytes"] for r in results), cpu / wall, results[0]["cipher"])
