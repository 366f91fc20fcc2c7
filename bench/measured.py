"""Run one command and print what it cost as JSON: seconds by the clock, seconds of CPU, peak memory in bytes.

A program of its own, standard library only, because the kernel counts what a process was before `exec` into its peak:
started from here the figure cannot be below this small interpreter, but it is never that of the whole bench.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main(command: list[str]) -> int:
    """Run `command`; its output goes to standard error. Returns its exit code."""
    started = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - started
    print(json.dumps({"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * 1024}))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
