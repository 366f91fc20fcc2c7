"""Sizes and durations as people write them in the settings."""

from __future__ import annotations

import re

_UNITS = {"Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SIZE = re.compile(r"([1-9][0-9]*)(Mi|Gi|Ti)", re.ASCII)
_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?", re.ASCII)
_DIGITS = 20
"""More than any amount that is accepted has."""

MAX_SIZE = 1024 * _UNITS["Ti"]
"""In bytes; below what every reader of JSON keeps exactly (2^53)."""
MAX_DURATION = 87600 * 3600
"""Ten years, in seconds."""


def size(text: str) -> int | None:
    """Bytes of `50Gi` and the like (Mi, Gi, Ti); None for another form."""
    found = _SIZE.fullmatch(text) if len(text) <= _DIGITS else None
    return int(found[1]) * _UNITS[found[2]] if found else None


def duration(text: str) -> int | None:
    """Seconds of `168h`, `1h30m` and the like (h, m, s in that order); None for another form."""
    found = _DURATION.fullmatch(text) if 2 <= len(text) <= _DIGITS else None
    if not found:
        return None
    hours, minutes, seconds = (int(amount or 0) for amount in found.groups())
    return (hours * 60 + minutes) * 60 + seconds
