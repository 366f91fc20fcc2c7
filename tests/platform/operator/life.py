"""One life of the operator: what has to die at once when it is killed, and the child processes it started."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


class Killed(BaseException):
    """This life is over: unwinds whatever a thread was doing. Not an Exception, so that no retry can swallow it."""


@dataclass(frozen=True)
class Finished:
    """How a child process ended."""

    code: int
    stdout: str
    stderr: str


class Life:
    """Ends once; everything that has an effect asks check() first."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[str]] = set()
        self._closers: list[Callable[[], None]] = []

    @property
    def ended(self) -> bool:
        """True after end()."""
        return self._ended.is_set()

    def check(self) -> None:
        """Raise Killed when this life is over."""
        if self._ended.is_set():
            raise Killed

    def sleep(self, seconds: float) -> None:
        """Wait; raise Killed when this life ends meanwhile."""
        if self._ended.wait(seconds):
            raise Killed

    def on_end(self, close: Callable[[], None]) -> None:
        """Have close() called at the end (right away if that has come)."""
        with self._lock:
            if not self._ended.is_set():
                self._closers.append(close)
                return
        close()

    def run(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None, stdin: str = ""
    ) -> Finished:
        """Run a child in its own session to its end. Raises Killed (the child dies too) when this life ends."""
        with self._lock:
            self.check()
            child = subprocess.Popen(
                list(command),
                env=dict(env) if env is not None else None,
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._children.add(child)
        try:
            stdout, stderr = child.communicate(stdin)
        finally:
            with self._lock:
                self._children.discard(child)
        self.check()
        return Finished(child.returncode, stdout, stderr)

    def end(self) -> None:
        """End it: no new child starts, the running ones (with their sessions) are killed, closers are called."""
        with self._lock:
            if self._ended.is_set():
                return
            self._ended.set()
            children, closers = list(self._children), self._closers
            self._closers = []
            for child in children:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
        for close in closers:
            close()
