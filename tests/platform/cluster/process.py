"""Processes by pid file: whoever comes later (`down` after a crash) ends exactly what was started, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .failure import ClusterError, tail

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT: Mapping[str, str] = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}


def birth(pid: int) -> int | None:
    """Start time of a process in ticks since boot (proc(5), field 22 of stat); None when there is none or it is dead.

    Pids are reused: a pid file is believed only together with this.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Daemon:
    """A process in its own process group, with a log and a pid file.

    Its own group: Ctrl-C in the terminal does not reach it, and a wrapper (nsenter) ends together with what it wraps.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        pids: Path,
        logs: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing runs yet. `env` is added to a small fixed environment; nothing is inherited."""
        self.name, self.argv = name, list(argv)
        self.log, self.record = logs / f"{name}.log", pids / f"{name}.json"
        self._env = {**ENVIRONMENT, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, logging after what an earlier run logged. Raises ClusterError when the program is missing."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.record.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    start_new_session=True,
                )
            except OSError as error:
                raise ClusterError(f"{self.name}: cannot start {self.argv[0]}: {error.strerror}") from error
        self.record.write_text(json.dumps({"pid": self._process.pid, "birth": birth(self._process.pid)}))

    @property
    def pid(self) -> int:
        """Raises ClusterError when it was never started."""
        if self._process is None:
            raise ClusterError(f"{self.name} was not started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def require_alive(self) -> None:
        """Raises ClusterError with the end of the log when it has ended."""
        if not self.alive:
            code = self._process.returncode if self._process else "never started"
            raise ClusterError(f"{self.name} is not running (exit code {code})\n{tail(self.log)}")

    def stop(self, *, grace: float = 5.0) -> None:
        """End it: SIGTERM, after `grace` seconds SIGKILL. Nothing happens when it does not run."""
        end_recorded(self.record, grace=grace, reap=self._process)


def end_recorded(record: Path, *, grace: float = 5.0, reap: subprocess.Popen[bytes] | None = None) -> None:
    """End the process group that a pid file names, if it is still the same one, and remove the file.

    `reap` is our own child, if it is one. Raises ClusterError when the group outlives SIGKILL for 10 s.
    """
    try:
        entry = json.loads(record.read_text())
    except (OSError, ValueError):
        return
    group = int(entry["pid"])
    if birth(group) in (entry["birth"], None):  # None: the leader is gone, the rest of its group keeps the number taken
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
            if _group_ends(group, number, within=patience):
                break
        else:
            raise ClusterError(f"process group {group} of {record.stem} does not end")
    if reap:
        reap.wait()
    record.unlink(missing_ok=True)


def _group_ends(group: int, number: signal.Signals, *, within: float) -> bool:
    """Send the signal, and wait. The leader is last: a wrapper waits for what it wraps, so nobody is orphaned."""
    deadline = time.monotonic() + within
    told: set[int] = set()
    while members := _members(group):
        if time.monotonic() > deadline:
            return False
        for pid in (members - {group} or members) - told:
            told.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(0.02)
    return True


def _members(group: int) -> set[int]:
    """Processes of a group, dead ones that wait for their parent left out."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                state, _, member_of, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
                if state not in "ZX" and int(member_of) == group:
                    found.add(int(folder.name))
    return found
