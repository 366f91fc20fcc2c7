"""A full disk, then a read-only one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from registry_gateway.store.store import Store
from tests.support.gateway import PACKAGE

ROOT = Path(__file__).parents[2]


@pytest.mark.root
def test_a_full_or_read_only_disk_is_told_of_and_reading_goes_on(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.store.small_disk", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def test_threads_of_a_store_that_stands_back_are_nicer_than_others(folder: Path) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async with await Store.open(folder, nice=3) as store:
        home = store._home
        own = niceness()
        assert [await call(niceness) for call in (home.read, home.write, home.keep)] == [own + 3] * 3
        assert niceness() == own
