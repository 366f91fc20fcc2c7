"""The core runs on the oldest Python of the platform: linters see its syntax, only a run sees what objects can do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WALK = """
import sys
sys.path[:0] = ["hooks", "."]
from tests.unit.world import LOCAL, PROXY, UNMANAGED, World
world = World(unpulled={"w2": "x"})
world.apply()
assert world.settle() == "PullsProved", world.stages
world.status()
world.unpulled, world.filled = {}, True
for values in (world.values, PROXY, LOCAL, UNMANAGED):
    world.values = dict(values)
    assert world.settle() == "Ready", world.stages
    world.status()
print(sys.version_info[:2])
"""


def oldest() -> str | None:
    """A Python 3.8 of this machine."""
    managed = sorted(Path.home().glob(".pyenv/versions/3.8.*/bin/python"))
    return str(managed[-1]) if managed else shutil.which("python3.8")  # the latter may be pyenv's, for another version


def test_a_walk_through_all_modes_runs_on_python_3_8() -> None:
    python = oldest()
    if python is None:
        pytest.skip("no Python 3.8 on this machine; Debian and the package registries have none to install")
    ran = subprocess.run([python, "-B", "-c", WALK], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "(3, 8)"), ran.stderr
