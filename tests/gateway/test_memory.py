"""Memory: shared out among streams, given back after a rush."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from registry_gateway import memory

PROGRAM = """
import sys
from pathlib import Path
from registry_gateway.memory import trim

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

blocks = [bytearray(60_000) for _ in range(2000)]  # below what glibc maps by itself
del blocks[::2], blocks[:-1:2]  # gaps everywhere, and something at the top
before = resident()
trim()
print(before - resident())
"""


def test_gaps_between_what_lives_on_are_given_back() -> None:
    package = Path(__file__).parents[2] / "images" / "gateway"
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=package, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 30_000_000


def test_few_streams_have_large_buffers_and_many_have_small_ones() -> None:
    room = memory.Room()
    with contextlib.ExitStack() as streams:
        for _ in range(memory.FEW):
            streams.enter_context(room.stream())
        few = (room.read_buffer, room.write_buffer, room.slice)
        streams.enter_context(room.stream())
        many = (room.read_buffer, room.write_buffer, room.slice)
        assert all(small < large for small, large in zip(many, few, strict=True))
    assert (room.read_buffer, room.write_buffer, room.slice) == few


def test_a_stream_that_fails_leaves_its_place() -> None:
    room = memory.Room()
    for _ in range(memory.FEW + 1):
        with pytest.raises(ConnectionError), room.stream():
            raise ConnectionError
    assert not room.crowded
