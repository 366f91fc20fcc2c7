"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from .failure import CancelledError, ClusterError

T = TypeVar("T")


def wait_for(
    what: str,
    probe: Callable[[], T],
    *,
    within: float,
    every: float = 0.1,
    cancelled: Event | None = None,
    detail: Callable[[], str] = str,
) -> T:
    """Call `probe` every `every` seconds until it returns something true, and return that.

    Any error of the probe is a "not yet", but a ClusterError: that one says that waiting is in vain.
    Raises ClusterError after `within` seconds with what was awaited, the last error and `detail()`;
    CancelledError when `cancelled` is set.
    """
    started = time.monotonic()
    last = "the condition is false"
    while True:
        if cancelled is not None and cancelled.is_set():
            raise CancelledError(f"{what}: given up")
        try:
            if found := probe():
                return found
        except ClusterError:
            raise
        except Exception as error:  # whatever a client throws while a server is not there yet; reported if it lasts
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() - started > within:
            raise ClusterError(f"{what}: not within {within:g} s ({last})\n{detail()}")
        time.sleep(every)
