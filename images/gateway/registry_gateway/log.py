"""One JSON object a line on standard output. Whoever writes a line decides its fields; nothing is formatted from
exceptions, whose texts may hold addresses with signatures in them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import TracebackType

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode  # `dumps` makes such an encoder each time
_FIELD_LIMIT = 512  # characters; keeps a line below PIPE_BUF, so that lines of several workers never mix


def emit(level: str, message: str, **fields: object) -> None:
    """Write a line: `time` (Unix seconds), `level`, `message` and `fields`, without those that are None or ""."""
    record: dict[str, object] = {"time": round(time.time(), 3), "level": level, "message": message}
    for name, value in fields.items():
        if value is None or value == "":
            continue
        record[name] = value[:_FIELD_LIMIT] if isinstance(value, str) else value
    try:
        os.write(sys.stdout.fileno(), f"{_encode(record)}\n".encode())
    except (OSError, ValueError):
        return  # nobody reads: serving goes on


def where(error: BaseException) -> str:
    """The type of `error` and the place it came from, without its text."""
    place: TracebackType | None = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return type(error).__name__
    code = place.tb_frame.f_code
    return f"{type(error).__name__} in {Path(code.co_filename).name}:{place.tb_lineno} ({code.co_name})"
