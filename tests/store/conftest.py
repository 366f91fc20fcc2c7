"""What tests of the store share: the product's event loop, and folders on a disk that is quick to sync."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from registry_gateway.store.store import Store
from tests.store.site import Clock, Site

MEMORY = Path("/dev/shm")  # nothing survives a power cut there, which no test here makes


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of the product."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data directory of the test's own."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
async def site(folder: Path) -> AsyncIterator[Site]:
    """An open store with helpers around it, and a clock that the test moves."""
    clock = Clock()
    async with await Store.open(folder, now=clock) as store:
        yield Site(folder, store, clock)
