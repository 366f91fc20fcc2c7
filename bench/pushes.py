"""Pushing blobs: the gateway as the cluster's registry beside distribution, on the same disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import clients, cpus, keepers, process_tree
from bench.compare import OURS, ratios, say_spread
from bench.keepers import Keeper
from bench.material import ALIAS, certificates
from bench.rounds import alternate
from bench.rows import Row, row

LARGE_BYTES, SMALL_BYTES, SMALL_BLOBS, ROUNDS = 64 * 1024 * 1024, 4096, 100, 7
AIM = 1.0


@dataclass(frozen=True)
class Push:
    """CPU seconds of the server, and the client's seconds."""

    cpu: float
    time: float


def bench(
    say: Callable[[str], None],
    *,
    large_bytes: int = LARGE_BYTES,
    small_blobs: int = SMALL_BLOBS,
    rounds: int = ROUNDS,
) -> list[Row]:
    """Time and CPU of a large blob and of many small ones, of both, and the gateway's in relation to the other's."""
    with TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder, measured = Path(name), cpus.pinned(cpus.server())
        tls = certificates(folder)
        servers = {
            OURS: stack.enter_context(keepers.gateway(folder / OURS, tls, role="copy", wrapper=measured)),
            "distribution": stack.enter_context(keepers.distribution(folder / "distribution", tls, wrapper=measured)),
        }
        rows = []
        for what, size, count in (("large", large_bytes, 1), ("small", SMALL_BYTES, small_blobs)):

            def subject(keeper: Keeper, size: int = size, count: int = count) -> Callable[[], Push]:
                return lambda: push(keeper, size=size, count=count, ca=tls.ca)

            subjects = {each: subject(keeper) for each, keeper in servers.items()}
            alternate(subjects, rounds=1)
            say(f"pushes: {count} blobs of {size / 2**10:g} KiB, one after another, {rounds} rounds")
            runs = alternate(subjects, rounds=rounds)
            for figure in ("time", "cpu"):
                figures = {each: [getattr(one, figure) for one in found] for each, found in runs.items()}
                say_spread(figures, say)
                rows += [row(f"{each}.push.{what}.{figure}", median(found), "s") for each, found in figures.items()]
                rows += ratios(f"push.{what}.{figure}", figures, aims={"distribution": AIM} if figure == "time" else {})
    return rows


def push(keeper: Keeper, *, size: int, count: int, ca: Path) -> Push:
    """One client pushes `count` new blobs of `size` bytes."""
    before = process_tree.cpu_seconds(keeper.server.pid)
    arguments = [keeper.server.address, ALIAS, str(ca), str(size), str(count)]
    seconds = clients.run("bench.pusher", arguments)[0]
    return Push(process_tree.cpu_seconds(keeper.server.pid) - before, seconds)
