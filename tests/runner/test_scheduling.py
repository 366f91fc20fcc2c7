"""A worker that dies fails one test; all others are run, and the run ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PASSES = "def test_a(): pass\ndef test_b(): pass\n"
DIES = "import os\ndef test_before(): pass\ndef test_dies(): os._exit(1)\ndef test_after(): pass\n"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("dying", [[0], [3], [5], [1, 4]])
def test_a_worker_dies(tmp_path: Path, workers: int, dying: list[int]) -> None:
    for number in range(6):
        (tmp_path / f"test_{number}.py").write_text(DIES if number in dying else PASSES)
    (tmp_path / "conftest.py").write_text(
        "from tests.runner.scheduling import Files\n"
        "def pytest_xdist_make_scheduler(config, log): return Files(config, log)\n"
    )
    options = [f"-n{workers}", "--dist=loadfile", "--no-loadscope-reorder", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--rootdir={tmp_path}", str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert f"{len(dying)} failed, 12 passed" in ran.stdout
    for number in dying:
        assert f"test_{number}.py::test_dies" in ran.stdout
