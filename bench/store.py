"""The store by itself: how fast content goes in, comes out, is collected and scrubbed, and what a large store costs.

    PYTHONPATH=images/gateway python -m bench.store [--manifests N] [--blobs N] [--folder FOLDER]

Put syncs every blob to the disk that the folder is on, so its figures are that disk's as well.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from bench.rows import Row, row, table
from registry_gateway.oci import MANIFEST_TYPES
from registry_gateway.store import layout
from registry_gateway.store.plan import Keep
from registry_gateway.store.store import Store

MANIFESTS, BLOBS = 100_000, 1_000
LARGE = 256 * 2**20  # bytes
PER_REPOSITORY = 1_000
PARALLEL = 8
UNLIMITED = 10**12  # bytes a second
NAME = "bench/store"
GATEWAY = Path(__file__).parents[1] / "images" / "gateway"
# A process of its own opens the store: seconds to open, to close, and for a lookup, and its peak of memory in KiB.
OPENER = """
import asyncio, json, re, sys, time
from pathlib import Path
from registry_gateway.store.store import Store
async def main():
    before = time.perf_counter()
    store = await Store.open(Path(sys.argv[1]))
    opened = time.perf_counter()
    for digest in sys.argv[2:]:
        await store.contents.manifest("bench/0", digest)
    looked_up = time.perf_counter()
    await store.close()
    peak = int(re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])
    print(json.dumps([opened - before, (looked_up - opened) / max(1, len(sys.argv) - 2), peak]))
asyncio.run(main())
"""


def bench(
    say: Callable[[str], None],
    *,
    folder: Path | None = None,
    manifests: int = MANIFESTS,
    blobs: int = BLOBS,
    large: int = LARGE,
) -> list[Row]:
    """All rows; `folder` is on the disk to be measured, that of temporary files if nobody says."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        say(f"store: {blobs} small blobs and one of {large >> 20} MiB")
        rows = asyncio.run(traffic(Path(place) / "traffic", blobs, large))
        say(f"store: {manifests} manifests in {-(-manifests // PER_REPOSITORY)} repositories")
        return rows + size(Path(place) / "size", manifests)


async def traffic(folder: Path, count: int, length: int) -> list[Row]:
    """Put, get, scrub and collect."""
    bodies = {digest(body): body for body in (os.urandom(4096) for _ in range(count))}
    body = os.urandom(2**20) * (length >> 20)
    bodies[large := digest(body)] = body  # hashed here: a client's work is not the store's
    small = [one for one in bodies if one != large]
    rows: list[Row] = []
    ahead = 0.0
    async with await Store.open(folder, grace=0, now=lambda: time.time() + ahead) as store:

        async def put(wanted: str) -> None:
            body = bodies[wanted]
            upload = await store.uploads.start(NAME)
            async with await store.uploads.resume(NAME, upload) as session:
                for start in range(0, len(body), 2**18):
                    await session.write(body[start : start + 2**18])
                await session.commit(wanted)

        async def get(wanted: str) -> None:
            async with await store.contents.blob(NAME, wanted) as blob:
                async for _ in blob.pieces():
                    pass

        for name, work in (("put", put), ("get", get)):
            async with timed() as cost:
                await at_once([partial(work, wanted) for wanted in small])
            rows.append(row(f"store.{name}.small", count / cost[0], "blobs/s"))
        async with timed() as cost:
            found = [one async for one in store.upkeep.scrub(rate=UNLIMITED)]
        rows.append(row("store.scrub.small", len(found) / cost[0], "blobs/s"))
        for name, work in (("put", put), ("get", get)):
            async with timed() as cost:
                await work(large)
            rows.append(row(f"store.{name}.large", length / cost[0] / 2**20, "MiB/s"))
            rows.append(row(f"store.{name}.large.cpu", cost[1] / (length / 1e9), "CPU-s/GB"))
        async with timed() as cost:
            found = [one async for one in store.upkeep.scrub(rate=UNLIMITED)]
        rows.append(row("store.scrub.large", sum(one.size for one in found) / cost[0] / 2**20, "MiB/s"))
        ahead = 60.0  # what was used just now would stay
        async with timed() as cost:
            removed = await store.upkeep.collect(Keep())
        rows.append(row("store.collect", len(removed.digests) / cost[0], "blobs/s"))
    return rows


def size(folder: Path, count: int) -> list[Row]:
    """Rebuild, open, look up and plan with `count` manifests."""
    some = fill(folder, count)
    (folder / "rebuild").touch()
    rebuilt, _, _ = opener(folder)
    opened, looked_up, peak = opener(folder, *some)
    empty = opener(folder.with_name("empty"))[2]

    async def plan() -> float:
        async with await Store.open(folder, grace=0) as store, timed() as cost:
            await store.upkeep.plan(Keep())
        return cost[0]

    return [
        row("store.many.rebuild", rebuilt, "s"),
        row("store.many.open", opened * 1e3, "ms"),
        row("store.many.lookup", looked_up * 1e6, "us"),
        row("store.many.peak_rss", peak / 1024, "MiB"),
        row("store.empty.peak_rss", empty / 1024, "MiB"),
        row("store.many.plan", asyncio.run(plan()), "s"),
        row("store.many.index", (folder / "index.sqlite").stat().st_size / 2**20, "MiB"),
    ]


def fill(folder: Path, count: int) -> list[str]:
    """Layouts with `count` manifests of five layers each, written past the store; returns digests of some of them."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    digests: list[str] = []
    for start in range(0, count, PER_REPOSITORY):
        entries = []
        for number in range(start, min(start + PER_REPOSITORY, count)):
            layers = [{"mediaType": "x", "digest": digest(b"%d %d" % (number, one)), "size": 1} for one in range(5)]
            document = {"schemaVersion": 2, "mediaType": MANIFEST_TYPES[0], "config": layers[0], "layers": layers}
            body = json.dumps(document).encode()
            (blobs / digest(body).partition(":")[2]).write_bytes(body)
            entries.append(layout.Entry(MANIFEST_TYPES[0], digest(body), len(body), f"v{number}"))
        repository = folder / "repositories" / f"bench+{start // PER_REPOSITORY}"
        repository.mkdir(parents=True)
        (repository / "index.json").write_bytes(layout.render(entries))
        digests = digests or [entry.digest for entry in entries[:200]]
    return digests


def opener(folder: Path, *digests: str) -> tuple[float, float, int]:
    """What OPENER measures."""
    command = [sys.executable, "-c", OPENER, str(folder), *digests]
    environment = {**os.environ, "PYTHONPATH": str(GATEWAY)}
    done = subprocess.run(command, check=True, capture_output=True, env=environment)
    opened, looked_up, peak = json.loads(done.stdout)
    return opened, looked_up, peak


async def at_once(calls: list[Callable[[], Awaitable[None]]]) -> None:
    """Await the results of `calls`, PARALLEL at a time."""
    rest = iter(calls)

    async def worker() -> None:
        for call in rest:
            await call()

    await asyncio.gather(*(worker() for _ in range(PARALLEL)))


@asynccontextmanager
async def timed() -> AsyncIterator[list[float]]:
    """Seconds by the clock and of CPU of this process, filled in at the end."""
    cost: list[float] = []
    before, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    yield cost
    now = resource.getrusage(resource.RUSAGE_SELF)
    cost += [time.perf_counter() - before, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime]


def digest(body: bytes) -> str:
    """The SHA-256 digest."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def main() -> None:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(prog="bench.store", description=__doc__)
    parser.add_argument("--manifests", type=int, default=MANIFESTS)
    parser.add_argument("--blobs", type=int, default=BLOBS)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    rows = bench(print, folder=options.folder, manifests=options.manifests, blobs=options.blobs)
    print(table(rows))


if __name__ == "__main__":
    main()
