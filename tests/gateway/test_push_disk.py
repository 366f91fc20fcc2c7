"""Pushes onto a full disk, then onto a read-only one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gateway import PACKAGE

ROOT = Path(__file__).parents[2]


@pytest.mark.root
def test_a_full_or_read_only_disk_is_told_of_and_nothing_is_half_there(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.gateway.push_small_disk", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
