"""Processes that are killed in the middle of their work, and those that go on beside and after them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from tests.store.crashing import STAGES
from tests.support.gateway import PACKAGE

ROOT = Path(__file__).parents[2]


async def test_killed_at_any_step_nothing_acknowledged_is_lost_and_nothing_is_half_there(folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.store.crashing", str(folder)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    found = json.loads(output)
    assert found["reached"] == STAGES[-1][0]
    assert found["children"] > 100, "each step has its child"
