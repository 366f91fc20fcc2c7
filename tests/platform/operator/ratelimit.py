"""Token bucket of `settings.executionMinInterval` and `executionBurst` (hook contract, section 5)."""

import threading
import time


class RateLimit:
    """Lets `burst` runs through at once, then one per `interval` seconds."""

    def __init__(self, *, interval: float, burst: int) -> None:
        self._interval, self._burst = interval, burst
        self._lock = threading.Lock()
        self._tokens = float(burst)
        self._at = time.monotonic()

    def reserve(self) -> float:
        """Take a token and return the seconds to wait for it."""
        if self._interval <= 0:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._tokens = min(float(self._burst), self._tokens + (now - self._at) / self._interval) - 1.0
            self._at = now
            return max(0.0, -self._tokens * self._interval)
