"""Tags that are versions, and their order: Semantic Versioning 2.0, "11. Precedence", behind a `v`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_NUMBER = r"(0|[1-9][0-9]*)"
_WORD = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"  # numbers have no leading zeros ("9.")
_VERSION = re.compile(rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_WORD}(?:\.{_WORD})*))?")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version; `later` is false for pre-releases, which come before their release. The text takes no part in order.

    >>> [Version.of(tag) < Version.of("v1.10.0") for tag in ("v1.9.9", "v1.10.0-rc.1", "v1.10.0", "v1.10.1-alpha")]
    [True, True, False, False]
    """

    numbers: tuple[int, int, int]
    later: bool
    words: tuple[tuple[bool, int, str], ...]  # whether it is text, its number, its text: numbers come first

    @classmethod
    def of(cls, tag: str) -> Self | None:
        """The version that `tag` says, None when it is none. Build metadata (`+…`) is not in the grammar of tags."""
        match = _VERSION.fullmatch(tag)
        if match is None:
            return None
        words = match[4].split(".") if match[4] else []
        return cls(
            (int(match[1]), int(match[2]), int(match[3])),
            not words,
            tuple((False, int(word), "") if word.isdecimal() else (True, 0, word) for word in words),
        )
