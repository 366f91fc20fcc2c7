"""The product's event loop, and replicas that find each other over relays."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from tests.replicas.cluster import Cluster
from tests.store.conftest import MEMORY


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of the product."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the test's own."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
async def three(folder: Path) -> AsyncIterator[Cluster]:
    """Three replicas, running."""
    async with Cluster(folder, ["a", "b", "c"]) as cluster:
        yield cluster


@pytest.fixture
async def two(folder: Path) -> AsyncIterator[Cluster]:
    """Two replicas, running."""
    async with Cluster(folder, ["a", "b"]) as cluster:
        yield cluster
