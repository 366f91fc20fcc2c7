"""What the demo prints: lines of the status, and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """Who pulled, by which way, how much, how long, and what came of it."""

    who: str
    way: str
    bytes: int
    seconds: float
    result: str


def status_line(status: dict[str, Any]) -> str:
    """Registry/main in one line, columns as kubectl prints them; empty without a status."""
    if not status:
        return ""
    ready = next((c["status"] for c in status["conditions"] if c["type"] == "Ready"), "")
    start = f"{status['mode']:<10} {status['target'] or '-':<36} {status['stage']:<17} Ready={ready:<8}"
    return f"{start} nodes {status['nodes'] or '-':<4} images {status['images'] or '-'}"


def table(rows: list[Row]) -> None:
    """Print rows as a table."""
    head = ("who", "by which way", "MB", "s", "result")
    cells = [head, *((r.who, r.way, f"{r.bytes / 1e6:.1f}", f"{r.seconds:.1f}", r.result) for r in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        print(
            "   " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), flush=True
        )
