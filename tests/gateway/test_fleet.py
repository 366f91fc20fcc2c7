"""The workers as the parent keeps them, whatever starting one or listening to one meets."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from registry_gateway import log
from registry_gateway.fleet import Fleet

LINE = """#!{python}
import json, os, pathlib, socket, sys
channel = socket.socket(fileno=int(sys.argv[sys.argv.index("--channel") + 1]))
with open({pids!r}, "a") as pids:
    pids.write(f"{{os.getpid()}}\\n")
first = len(pathlib.Path({pids!r}).read_text().split()) == 1
channel.sendall(({first} if first else json.dumps({{"version": "v1", "error": ""}}).encode()) + b"\\n")
channel.recv(1)
"""


def worker(folder: Path, *, first: str) -> Path:
    """A worker's program whose first process says the bytes of the expression `first` to its parent, later ones that
    they serve `v1`; all of them say their pid.
    """
    path = folder / "worker"
    path.with_suffix(".new").write_text(LINE.format(python=sys.executable, pids=str(folder / "pids"), first=first))
    path.with_suffix(".new").chmod(0o755)
    path.with_suffix(".new").rename(path)
    return path


@asynccontextmanager
async def running(command: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet([str(command)], count=1, environment=os.environ, changed=lambda: None)
    fleet.start()
    try:
        yield fleet
    finally:
        await fleet.stop(seconds=0.1)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - processes have no event
            await asyncio.sleep(0.01)


async def test_a_worker_that_could_not_be_started_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Queue[int]()  # how many descriptors there were
    monkeypatch.setattr(log, "emit", lambda *_, **__: failed.put_nowait(len([*Path("/proc/self/fd").iterdir()])))
    async with running(tmp_path / "worker") as fleet:
        async with asyncio.timeout(20):  # there is no program yet: that fails just as a lack of memory does
            first, second = await failed.get(), await failed.get()
        assert first == second
        worker(tmp_path, first="""b'{"version": "v1", "error": ""}'""")
        await until(lambda: fleet.versions == ["v1"])


@pytest.mark.parametrize("said", ["b'x' * 200_000", "b'not json'", "b'{}'", "b'[]'"])
async def test_a_worker_that_says_what_nobody_understands_is_ended_and_replaced(said: str, tmp_path: Path) -> None:
    async with running(worker(tmp_path, first=said)) as fleet:
        await until(lambda: fleet.versions == ["v1"])
        first, second = map(int, (tmp_path / "pids").read_text().split())
        assert fleet.pids == [second]
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
