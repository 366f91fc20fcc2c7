"""The one exception of the test cluster, and the end of a log to go with it."""

from __future__ import annotations

from pathlib import Path


class ClusterError(RuntimeError):
    """Something of the cluster failed; the message says what, and carries the end of the log that tells why."""


class CancelledError(ClusterError):
    """The start was given up, by Ctrl-C as a rule."""


def tail(log: Path, *, lines: int = 25) -> str:
    """The last lines of a log, headed by its path."""
    try:
        text = log.read_text(errors="replace")
    except OSError as error:
        return f"--- {log}: {error.strerror}"
    return f"--- end of {log}\n" + "\n".join(text.splitlines()[-lines:])
