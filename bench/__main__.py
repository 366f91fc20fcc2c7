"""Measure everything, print a table, write bench/out.json. Aims that are missed are shown, not fatal."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import (
    crowd,
    first_miss,
    hits,
    image_check,
    many_nodes,
    memory,
    misses,
    pass_through,
    pushes,
    store,
    waiting,
    waves,
)
from bench.rows import Row, table, write

Bench = Callable[[Callable[[str], None]], list[Row]]

BENCHES: dict[str, Bench] = {
    "hooks": many_nodes.bench,
    "waves": waves.bench,
    "image-check": image_check.bench,
    "blobs": pass_through.blobs,
    "manifests": pass_through.manifests,
    "first-byte": waiting.bench,
    "memory": memory.bench,
    "hits": hits.bench,
    "misses": misses.bench,
    "first-miss": first_miss.bench,
    "pushes": pushes.bench,
    "store": store.bench,
    "crowd": crowd.bench,
}
OUT = Path(__file__).with_name("out.json")


def main(arguments: Sequence[str]) -> int:
    """Run the benches that were asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(BENCHES), metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help="where the JSON goes")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended on the way out
    started, rows = time.monotonic(), list[Row]()
    for name, bench in BENCHES.items():
        if not options.only or name in options.only:
            rows += bench(lambda text: print(f"[{time.monotonic() - started:5.1f} s] {text}", flush=True))
    write(rows, options.out)
    print(f"\n{table(rows)}\n\n{options.out} written after {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
