"""tools/containerd-rewrite/patch.py refuses a source that it does not know."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

PATCH = Path(__file__).parents[2] / "tools" / "containerd-rewrite" / "patch.py"
PACKAGE = "core/remotes/docker"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree that has every anchor once and nothing else."""
    for edit in runpy.run_path(str(PATCH))["EDITS"]:
        file = tmp_path / "source" / PACKAGE / edit.file
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as text:
            text.write(edit.anchor + "\n")
    return tmp_path / "source"


def patch(source: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PATCH), str(source), str(source.parent / "patched")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_source_with_every_anchor_is_patched(source: Path) -> None:
    result = patch(source)
    assert (result.returncode, result.stderr) == (0, "")
    assert "rewriteRepository" in (source.parent / "patched" / PACKAGE / "resolver.go").read_text()
    assert (source.parent / "patched" / PACKAGE / "rewrite.go").is_file()


@pytest.mark.parametrize("count", [0, 2])
def test_anchor_that_is_not_there_exactly_once_ends_it(source: Path, count: int) -> None:
    file = source / PACKAGE / "registry.go"
    file.write_text(file.read_text() * count)
    result = patch(source)
    assert (result.returncode, f"occurs {count} times in registry.go" in result.stderr) == (1, True)
