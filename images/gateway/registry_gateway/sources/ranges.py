"""Which bytes of the whole an answer holds or should hold, and how to ask for the rest of them (RFC 9110 §14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(?:([0-9]{1,19})-([0-9]{1,19})?|-([0-9]{1,19}))", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})", re.IGNORECASE)
# RFC 9110 §8.8.3; a weak one (W/"…") does not promise the same bytes and must not stand in If-Range (§13.1.5).
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` to `last`, both included, of `total`."""

    first: int
    last: int
    total: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.last - self.first + 1

    def after(self, count: int) -> Span:
        """What is left when the first `count` bytes are there, which must be fewer than all."""
        return Span(self.first + count, self.last, self.total)


class UnsatisfiableError(Exception):
    """None of the bytes wanted exist."""


def wanted(header: str, total: int) -> Span | None:
    """What a `Range` header wants of `total` bytes; None when the whole is to be sent: without one, for several ranges
    and for what is none. Raises UnsatisfiableError.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        return None
    first, last, suffix = (None if text is None else int(text) for text in match.groups())
    if first is None:
        first, last = max(0, total - (suffix or 0)), None
    elif last is not None and last < first:
        return None
    if first >= total:
        raise UnsatisfiableError
    return Span(first, total - 1 if last is None else min(last, total - 1), total)


def span(status: int, headers: Mapping[str, str], length: int | None) -> Span | None:
    """The span of an answer with a body of `length` bytes; None when it cannot be told, or when it is empty."""
    if status == 200:
        return Span(0, length - 1, length) if length else None
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if status != 206 or match is None:
        return None
    told = Span(*map(int, match.groups()))
    plausible = told.first <= told.last < told.total and length in (None, told.length)
    return told if plausible else None


def request(wanted: Span, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Headers that ask for `wanted` of what an answer with `headers` began to send."""
    made = [("Range", f"bytes={wanted.first}-{wanted.last}")]
    etag = headers.get("ETag", "")
    if _STRONG_ETAG.fullmatch(etag):
        made.append(("If-Range", etag))
    return made
