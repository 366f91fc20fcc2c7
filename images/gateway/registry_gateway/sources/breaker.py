"""Whether a source is worth asking first: a circuit breaker.

A failure to connect costs each request a deadline, so one is enough to open it. 502, 503 and 504 come quickly and may
concern one object or one moment; it takes several in a row. Any other answer, a refusal too, shows a registry at work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum, auto

SHORTEST = 5.0  # seconds a source is asked last after its first failure
LONGEST = 60.0  # seconds; each failed trial doubles the time up to here
STUMBLES = 3  # answers 502, 503 or 504 in a row that count as a failure
STUMBLING = frozenset((502, 503, 504))


class Outcome(Enum):
    """How an attempt went."""

    UNKNOWN = auto()  # it was given up, or ended in a way that says nothing of the source
    ANSWERED = auto()
    STUMBLED = auto()  # answered with one of STUMBLING
    FAILED = auto()  # no connection, no TLS, no answer in time


class Attempt:
    """One request to the source, a context to make it in; whoever makes it writes down the `outcome`."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self.trial = False  # the one attempt that decides whether the time of being ailing is over
        self.outcome = Outcome.UNKNOWN

    def __enter__(self) -> Attempt:
        self.trial = self._breaker.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._breaker.end(self)


class Breaker:
    """Closed, open (ailing), or on trial: open with one attempt under way after the time is over."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause = 0.0  # seconds; 0 = closed
        self._until = 0.0
        self._on_trial = False
        self._stumbles = 0

    @property
    def ailing(self) -> bool:
        """Whether others should be asked first. False for the one who may try when the time is over."""
        return self._pause > 0 and (self._on_trial or self._clock() < self._until)

    def attempt(self) -> Attempt:
        """An attempt; begun without awaiting after `ailing`, it is the only trial."""
        return Attempt(self)

    def begin(self) -> bool:
        """Begin an attempt: whether it is the trial."""
        trial = self._pause > 0 and not self.ailing
        self._on_trial = self._on_trial or trial
        return trial

    def end(self, made: Attempt) -> None:
        """Judge by an attempt's outcome."""
        if made.trial:
            self._on_trial = False
        if made.outcome is Outcome.ANSWERED:
            self._pause, self._stumbles = 0.0, 0
        elif made.outcome is Outcome.STUMBLED:
            self._stumbles += 1
            if made.trial or self._stumbles >= STUMBLES:
                self._fail(made)
        elif made.outcome is Outcome.FAILED:
            self._fail(made)

    def _fail(self, made: Attempt) -> None:
        """Open, or stay open for longer. Of many attempts that fail together, only one counts."""
        if self._pause == 0 or made.trial:
            self._pause = min(max(self._pause * 2, SHORTEST), LONGEST)
            self._until = self._clock() + self._pause
