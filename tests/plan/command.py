"""registry-plan as people start it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "examples/cluster"


def registry_plan(*arguments: object, code: int = 0) -> str:
    """Run the command; asserts the exit code. What it says: standard output, or the error when there is one."""
    command = [sys.executable, "-m", "tools.plan", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if code == 2 else done.stdout
