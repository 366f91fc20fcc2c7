"""The programs behind `make` start as the Makefile starts them: with its paths, not with those of pytest."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("target", ["demo", "review", "plan", "bench"])
def test_what_a_target_of_make_runs_can_be_started(target: str) -> None:
    dry = ["make", "--dry-run", "--no-print-directory", target]  # this may run below `make test`
    command = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1]
    assert ".venv/bin/python -m " in command
    ran = subprocess.run(["bash", "-c", f"{command} --help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "usage" in ran.stdout
