"""Where one cluster keeps its things, and how its parts start, wait and tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TypeVar

from .ownership import RECORDS
from .process import Daemon
from .waiting import wait_for

T = TypeVar("T")


@dataclass
class Site:
    """The folder of a cluster, shared by its parts."""

    folder: Path
    tell: Callable[[str], None] = print
    cancelled: Event = field(default_factory=Event)
    began: float = field(default_factory=time.monotonic)
    started: list[Daemon] = field(default_factory=list)

    @property
    def logs(self) -> Path:
        """Logs of all components; kept when the cluster is gone."""
        return self.folder / "logs"

    @property
    def pki(self) -> Path:
        """Certificates, keys and kubeconfigs of the control plane."""
        return self.folder / "pki"

    def say(self, what: str) -> None:
        """A progress line, with the seconds since the start."""
        self.tell(f"cluster {time.monotonic() - self.began:5.1f} s  {what}")

    def daemon(self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Daemon:
        """Start a process that this cluster owns."""
        daemon = Daemon(name, argv, pids=RECORDS, logs=self.logs, env=env)
        daemon.start()
        self.started.append(daemon)
        return daemon

    def reap(self) -> None:
        """Bury those of our children that have ended."""
        self.started = [daemon for daemon in self.started if daemon.alive]

    def wait(
        self,
        what: str,
        probe: Callable[[], T],
        *,
        within: float,
        every: float = 0.1,
        detail: Callable[[], str] = str,
    ) -> T:
        """`waiting.wait_for`, given up when the start of the cluster is."""
        return wait_for(what, probe, within=within, every=every, cancelled=self.cancelled, detail=detail)
