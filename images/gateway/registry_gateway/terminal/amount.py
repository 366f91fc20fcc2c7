"""Bytes, for a person."""

from __future__ import annotations

_STEP = 1024.0


def amount(size: float) -> str:
    """`size` bytes in the unit that fits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _STEP:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _STEP
    return f"{size:.1f} TiB"
