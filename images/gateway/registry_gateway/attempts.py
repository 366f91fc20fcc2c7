"""Failed logins by client address: who guesses is slowed down, and nobody else is.

A token bucket per address, kept as what was taken from it. A full bucket is the same as none, so there is an entry
only for who failed lately; when there are too many, the one that failed longest ago is forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BURST = 10  # a person who mistypes, or pods with an old pull secret on one node, are not in anybody's way
PER_SECOND = 1.0  # 86,400 guesses a day and worker: nothing against the random passwords of the module
ADDRESSES = 4096  # some 100 bytes each


class Attempts:
    """The attempts that addresses have left. `clock` gives seconds that never go back."""

    def __init__(
        self,
        *,
        burst: int = BURST,
        per_second: float = PER_SECOND,
        addresses: int = ADDRESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst, self._per_second, self._addresses, self._clock = burst, per_second, addresses, clock
        self._taken: dict[str, tuple[float, float]] = {}  # tokens taken and when that was so; oldest failure first

    def wait(self, address: str) -> float:
        """Seconds until `address` may try again; 0 when it may now."""
        return max(0.0, (self._still_taken(address) + 1 - self._burst) / self._per_second)

    def failed(self, address: str) -> None:
        """Note that `address` tried and failed."""
        taken = self._still_taken(address) + 1
        self._taken.pop(address, None)
        self._taken[address] = (taken, self._clock())
        if len(self._taken) > self._addresses:
            del self._taken[next(iter(self._taken))]

    @property
    def remembered(self) -> int:
        """Addresses that failed lately."""
        return len(self._taken)

    def _still_taken(self, address: str) -> float:
        taken, since = self._taken.get(address, (0.0, 0.0))
        return max(0.0, taken - (self._clock() - since) * self._per_second)
