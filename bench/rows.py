"""A row of the result: a figure and, where one was set, the aim it is held against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """`aim` is the largest value that is good enough, None when there is none; `holds` says whether it is met."""

    name: str
    value: float
    unit: str
    aim: float | None = None
    holds: bool | None = None


def row(name: str, value: float, unit: str, *, aim: float | None = None) -> Row:
    """A row with `holds` decided from the value before it is rounded, so that rounding never meets an aim."""
    return Row(name, float(f"{value:.4g}"), unit, aim, None if aim is None else value <= aim)


def ratio(name: str, value: float, *, aim: float | None = None) -> Row:
    """A row that compares two figures of the same run."""
    return row(name, value, "x", aim=aim)


def table(rows: Sequence[Row]) -> str:
    """The rows for a terminal, one a line below a heading."""
    cells = [("name", "value", "unit", "aim", "holds")]
    for one in rows:
        aim = "" if one.aim is None else f"<= {one.aim:g}"
        holds = {True: "yes", False: "NO", None: ""}[one.holds]
        cells.append((one.name, f"{one.value:g}", one.unit, aim, holds))
    name, value, unit, aim_width, _ = (max(len(line[column]) for line in cells) for column in range(5))
    return "\n".join(
        f"{line[0]:<{name}}  {line[1]:>{value}}  {line[2]:<{unit}}  {line[3]:<{aim_width}}  {line[4]}".rstrip()
        for line in cells
    )


def write(rows: Sequence[Row], path: Path) -> None:
    """The rows as a JSON list of {name, value, unit, aim, holds}."""
    path.write_text(json.dumps([asdict(one) for one in rows], indent=1) + "\n", encoding="utf-8")
