"""How much one worker does at a time, for one client address and in all, and how long it waits for clients.

Meant for a control-plane node with 256 MiB for the gateway, one of three before 5,000 nodes, with two workers or more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers of one worker. Whoever is over them is told to come back, or finds another gateway."""

    # A stream whose client is slow holds up to 1.6 MiB (tests/gateway/test_load.py), most of it in what uvloop keeps
    # for two TLS connections: 128 of them and 50 MiB for the process make 256. With a fast client it soon ends.
    streams: int = 128
    # containerd pulls 3 layers of an image at a time and kubelet one image after another, unless told otherwise.
    streams_per_client: int = 32
    # Idle ones hold 50 to 100 KiB. 5,000 nodes on the two masters that are left make 1,250 for each of two workers.
    connections: int = 2048
    connections_per_client: int = 128
    head_seconds: float = 15.0  # for a request's head: from the connection's beginning, or from its first byte
    stall_seconds: float = 60.0  # in which a client has to take at least one byte of what is being sent


LIMITS = Limits()


class Quota:
    """Counts what is going on, by client address and in all. Who is not in it costs nothing."""

    def __init__(self, *, total: int, per_client: int) -> None:
        self._total, self._per_client = total, per_client
        self._taken: Counter[str] = Counter()
        self._all = 0

    def take(self, address: str) -> str:
        """Take a place for `address`. Returns which limit forbids that, `client` or `total`; "" when none does."""
        if self._all >= self._total:
            return "total"
        if self._taken[address] >= self._per_client:
            return "client"
        self._taken[address] += 1
        self._all += 1
        return ""

    def give_back(self, address: str) -> None:
        """End what a successful `take` began."""
        self._all -= 1
        self._taken[address] -= 1
        if not self._taken[address]:
            del self._taken[address]

    @property
    def taken(self) -> int:
        """Places taken."""
        return self._all
