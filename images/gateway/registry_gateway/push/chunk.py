"""`Content-Range` of a chunk and `Range` of an upload: first and last byte, without a unit.

Distribution spec 1.1, "Pushing a blob in chunks": `^[0-9]+-[0-9]+$`, both ends inclusive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry_gateway.oci import Code, OciError

_FORM = re.compile(r"([0-9]{1,19})-([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of an upload that a request announces: where they start, and how many (None: whatever comes)."""

    start: int | None = None
    length: int | None = None


def announced(content_range: str | None, body_length: int | None) -> Chunk:
    """What the headers say; `body_length` is None for a body of unknown length.

    Raises OciError (400) when they are malformed or contradict each other.
    """
    if content_range is None:
        return Chunk(None, body_length)
    match = _FORM.fullmatch(content_range)
    if match is None or int(match[2]) < int(match[1]):
        raise OciError(
            400, Code.BLOB_UPLOAD_INVALID, "Content-Range: must be FIRST-LAST, the chunk's first and last byte"
        )
    start, length = int(match[1]), int(match[2]) - int(match[1]) + 1
    if body_length is not None and body_length != length:
        raise OciError(400, Code.SIZE_INVALID, "Content-Range and Content-Length name different numbers of bytes")
    return Chunk(start, length)


def so_far(offset: int) -> str:
    """The `Range` of an upload that has `offset` bytes; of an empty one "0-0", as registries have it by custom."""
    return f"0-{max(offset - 1, 0)}"
