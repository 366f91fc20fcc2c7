"""Waiting for what a test needs, with a reason when it does not come; and pulls on all nodes at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.platform.assembly import Platform
from tests.platform.pulls import Pull, PullLoop, Wanted, pull


def wait(condition: Callable[[], object], what: str, timeout: float, *, detail: Callable[[], str] = str) -> float:
    """Wait for a condition; how long it took, in seconds. Raises AssertionError with `detail()`."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout, f"{what} not within {timeout:g} s\n{detail()}"
        time.sleep(0.2)
    return time.monotonic() - started


def pull_everywhere(platform: Platform, images: Sequence[Wanted]) -> list[Pull]:
    """Every node pulls every image anew, all nodes at the same time."""
    nodes = list(platform.cluster.nodes.values())
    with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
        rounds = pool.map(lambda node: [pull(node, image) for image in images], nodes)
        return [each for done in rounds for each in done]


def failed(pulls: Sequence[Pull]) -> list[tuple[str, str, str]]:
    """Node, image and error of each pull that did not work."""
    return [(each.node, each.image, each.error) for each in pulls if each.error]


def more_pulls(platform: Platform, loop: PullLoop, each: int = 2, *, timeout: float = 90) -> None:
    """Wait until every node has made `each` more pulls: what was done before has been lived through everywhere."""
    before = {name: loop.count(name) for name in platform.cluster.nodes}
    wait(lambda: all(loop.count(name) >= n + each for name, n in before.items()), "pulls to go on", timeout)
