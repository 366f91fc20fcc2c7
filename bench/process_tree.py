"""What a running process and all its descendants use, read from the kernel."""

from __future__ import annotations

import re
import time
from pathlib import Path

_CPU_CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED of the kernel's include/linux/posix-timers.h: user and system, exact


def members(pid: int) -> list[int]:
    """`pid` and its descendants now."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += members(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """CPU seconds of the tree so far. The kernel's clock of each process: /proc/PID/stat counts in steps of 10 ms."""
    return sum(time.clock_gettime((~one << 3) | _CPU_CLOCK_OF_PROCESS) for one in members(pid))


def resident(pid: int) -> int:
    """Bytes of memory of the tree now; pages that processes share count once for each."""
    return sum(_status(one, "VmRSS") for one in members(pid))


def peak(pid: int) -> int:
    """The sum of each process's highest `resident`, in bytes."""
    return sum(_status(one, "VmHWM") for one in members(pid))


def _status(pid: int, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0
