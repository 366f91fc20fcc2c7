"""The image check of 500 images of 10 layers, at a registry in memory with a fixed latency.

It can be no faster than requests x latency / parallel; what it takes beyond that is the gateway's own doing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from bench import cpus
from bench.rows import Row, ratio, row
from tests.support import gateway as support
from tests.support.certs import issue, make_ca
from tests.support.image_registry import ImageRegistry

IMAGES, LAYERS = 500, 10
PARALLEL = 8  # requests at a time, the gateway's own default
LATENCY = 0.02  # seconds; of a registry that is not far away
AIM = 1.25


def bench(
    say: Callable[[str], None], *, images: int = IMAGES, layers: int = LAYERS, latency: float = LATENCY
) -> list[Row]:
    """Seconds of `registry-gateway check`, and the ratio to what its requests need at least."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        say(f"image check: {images} images of {layers} layers, {latency * 1000:g} ms, {PARALLEL} requests at a time")
        found, most = uvloop.run(_check(Path(name), images, layers, latency))
    least = found["requests"] * latency / PARALLEL
    say(f"  {found['requests']} requests, at most {most} at a time: {found['seconds']:.1f} s, at least {least:.1f} s")
    return [
        row("image_check.requests", found["requests"], "requests"),
        row("image_check.time", found["seconds"], "s"),
        row("image_check.least_time", least, "s"),
        ratio("image_check.time_to_least", found["seconds"] / least, aim=AIM),
    ]


async def _check(folder: Path, images: int, layers: int, latency: float) -> tuple[dict[str, Any], int]:
    """What the command says, and the most requests that were under way. Raises RuntimeError when it asked for more or
    less than there is.
    """
    async with ImageRegistry(images=images, layers=layers, latency=latency) as registry:
        _configure(folder, registry)
        command = [sys.executable, "-m", "registry_gateway", "check", "--json", "--config", str(folder)]
        command += ["--parallel", str(PARALLEL)]
        process = await asyncio.create_subprocess_exec(
            *cpus.pinned(cpus.server()),
            *command,
            env={**os.environ, "PYTHONPATH": str(support.PACKAGE)},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        registry.asked["GET", "/v2/"] = 1  # asked for the verdict on the registry as well
        if process.returncode or registry.asked != registry.expected:
            raise RuntimeError(f"the check ended with {process.returncode} after {registry.asked.total()} requests")
        return json.loads(output), registry.most


def _configure(folder: Path, registry: ImageRegistry) -> None:
    upstream = support.upstream(registry.address, scheme="http")
    expected = [{"name": f"image-{number}", "reference": digest} for number, digest in enumerate(registry.images)]
    check = {"version": "bench", "upstream": upstream, "images": expected}
    (folder / "config.json").write_text(support.config([upstream], check=check))
    issue(make_ca("bench"), ips=["127.0.0.1"]).write(folder, "tls")
