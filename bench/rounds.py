"""Measuring two things side by side: A B, B A, A B, … so that what changes on the machine meets both alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TypeVar

Figure = TypeVar("Figure")


LEAST_ROUNDS = 3


def alternate(
    subjects: Mapping[str, Callable[[], Figure]], *, rounds: int, seconds: float = 60.0
) -> dict[str, list[Figure]]:
    """The figures of each subject, one a round. Every second round goes through the subjects backwards.

    On a busy machine there are fewer than `rounds`: none begins after `seconds`, but there are LEAST_ROUNDS.
    """
    deadline = time.monotonic() + seconds
    figures: dict[str, list[Figure]] = {name: [] for name in subjects}
    for number in range(rounds):
        if number >= LEAST_ROUNDS and time.monotonic() > deadline:
            break
        for name in list(subjects)[:: 1 if number % 2 == 0 else -1]:
            figures[name].append(subjects[name]())
    return figures


def compared(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios round by round: neighbours in time share what else the machine does."""
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))
