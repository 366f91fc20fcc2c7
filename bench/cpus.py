"""Which CPU the measured server has for itself, and which one everything else shares."""

from __future__ import annotations

import os


def server() -> int:
    """The CPU of the measured server."""
    return min(os.sched_getaffinity(0))


def others() -> int:
    """The CPU of clients and of the registry behind; the same one where there is but one."""
    return max(os.sched_getaffinity(0))


def pinned(cpu: int) -> list[str]:
    """What to put before a command to keep it and its children on `cpu`."""
    return ["taskset", "--cpu-list", str(cpu)]
