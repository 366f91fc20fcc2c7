"""One platform for all end-to-end tests; each test begins by asking for the mode it needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platform.assembly import Platform
from tests.platform.cluster import THREE_MASTERS


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform(tmp_path_factory.mktemp("platform"), nodes=THREE_MASTERS) as running:
        yield running
