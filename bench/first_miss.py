"""How much later the first byte of a blob comes through a cache that has to fetch it than through no cache.

Both are the gateway, with one registry behind. Each blob is asked for once from each of them, in turns.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median, quantiles

from bench import clients, cpus, keepers, ours
from bench.behind import behind
from bench.material import path
from bench.rows import Row, row

BYTES, BLOBS = 256 * 1024, 200
AIM_MILLISECONDS = 5.0


def bench(say: Callable[[str], None], *, blobs: int = BLOBS) -> list[Row]:
    """Milliseconds added at the median and at the 99th percentile."""
    with behind() as registry:
        address, tls, measured = registry.server.address, registry.tls, cpus.pinned(cpus.server())
        config = ours.configuration(tls, upstream=address)
        digests = [registry.blob(BYTES) for _ in range(blobs + 1)]  # the first of them is not counted
        asked = registry.folder / "asked"
        asked.write_text("".join(f"{path('blobs', digest)}\n" for digest in digests))
        say(f"first byte of a miss: {blobs} new blobs of {BYTES >> 10} KiB, one after another")
        cache = keepers.gateway(registry.folder / "cache", tls, role="cache", upstream=address, wrapper=measured)
        with ours.gateway(registry.folder / "plain", tls, config, wrapper=measured) as plain, cache as keeper:
            arguments = [str(tls.ca), str(asked), plain.address, keeper.server.address]
            (without, through) = clients.run("bench.first_bytes", arguments)[0]
    return [
        row("gateway.miss.first_byte_added.p50", (median(through) - median(without)) * 1e3, "ms", aim=AIM_MILLISECONDS),
        row("gateway.miss.first_byte_added.p99", (_p99(through) - _p99(without)) * 1e3, "ms"),
    ]


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[-1]
