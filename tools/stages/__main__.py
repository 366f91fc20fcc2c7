"""The table of stages as a Mermaid state diagram, written into the page that shows it.

.venv/bin/python -m tools.stages        writes it
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

from lib.registry_module.stage_meaning import MEANING
from lib.registry_module.stages import STAGES

PAGE = Path(__file__).parents[2] / "docs/internal/ARCHITECTURE.md"
BEGIN, END = "<!-- stages: written by `.venv/bin/python -m tools.stages` -->", "<!-- /stages -->"
_WIDTH = 60  # characters of a line in a box


def render() -> str:
    """The diagram: a box for each row, what it means when passed, and when it is called stalled.

    Every stage leads on when its check holds. The table is walked from the top at every run, so what stops holding
    leads back; that is one arrow here, since it is the same from everywhere.
    """
    lines = ["```mermaid", "stateDiagram-v2", "  direction TB", f"  [*] --> {STAGES[0].name}"]
    for stage in STAGES:
        limit = f" (stalled after {stage.limit // 60} min)" if stage.limit else ""
        lines.append(f"  {stage.name}: {_broken(f'{stage.name}{limit}')}<br/>{_broken(MEANING[stage.name])}")
    for before, after in pairwise(STAGES):
        lines.append(f"  {before.name} --> {after.name}")
    first, last = STAGES[0].name, STAGES[-1].name
    lines.append(f"  {last} --> {first}: other settings, or facts that a row asks for changed")
    return "\n".join([*lines, "```"])


def _broken(text: str) -> str:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= _WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br/>".join(lines).replace(";", "#59;").replace(":", "#58;")  # as entities


def placed(page: str) -> str:
    """The page with the present diagram between its marks. Raises ValueError when they are not there once each."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"{PAGE.name} must have the lines {BEGIN} and {END} once each")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{render()}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Write the page; returns the exit code."""
    PAGE.write_text(placed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
