"""Memory of the servers: idle, and for each stream whose client does not read."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing

from bench import process_tree
from bench.client import Connection, answer, request
from bench.rows import Row, row
from bench.running import Server
from bench.stage import Stage, stage

STREAMS = 100
BLOB_BYTES = 64 * 1024 * 1024  # more than all buffers on the way hold
RECEIVE_BUFFER = 64 * 1024  # bytes; keeps what the kernel holds for all these clients small
STEADY_SECONDS, LONGEST_SECONDS = 1.0, 20.0


def bench(say: Callable[[str], None], *, streams: int = STREAMS) -> list[Row]:
    """Resident memory of every server after its first request, and what each stalled stream adds to it."""
    rows = []
    with stage(blob_bytes=BLOB_BYTES) as servers:
        for name, server in servers.servers.items():
            say(f"memory: {name} with {streams} streams whose clients do not read")
            idle, busy = _measure(servers, server, streams)
            rows += [
                row(f"{name}.rss.idle", idle / 2**20, "MiB"),
                row(f"{name}.rss.per_stream", (busy - idle) / streams / 1024, "KiB"),
            ]
    return rows


def _measure(servers: Stage, server: Server, streams: int) -> tuple[int, int]:
    with ExitStack() as stack:

        def connect() -> Connection:
            made = Connection(server.address, str(servers.ca), receive_buffer=RECEIVE_BUFFER)
            return stack.enter_context(closing(made))

        first = connect()
        first.send(request(server.address, servers.manifest))
        answer(first)
        idle = process_tree.resident(server.pid)
        for _ in range(streams):
            stream = connect()
            stream.send(request(server.address, servers.blob))
            stream.read()  # it has begun; from here on nobody reads
        return idle, _steady(server.pid)


def _steady(pid: int) -> int:
    """The memory of a process tree once it has not grown for STEADY_SECONDS."""
    deadline = time.monotonic() + LONGEST_SECONDS
    largest, since = 0, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < STEADY_SECONDS:
        now = process_tree.resident(pid)
        if now > largest:
            largest, since = now, time.monotonic()
        time.sleep(0.05)
    return largest
