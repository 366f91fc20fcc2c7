"""One platform for all end-to-end tests; each test begins by asking for the mode it needs.

A switch is what costs time here, so those of `make test` stand along one walk through the modes on which hardly any
switch is made for a test alone. Each can be run by itself, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platform.assembly import Platform
from tests.platform.cluster import THREE_MASTERS

WALK = (
    "test_switch.py::test_refused",  # Unmanaged
    "test_wrong_upstream.py",  # to Direct at B, in the end
    "test_trust.py::test_a_new_licence",
    "[Direct-Proxy]",
    "test_proxy.py",
    "[Proxy-Local]",
    "test_local.py",
    "test_local_cold_start.py",
    "[Local-Unmanaged]",
    "test_switch.py::test_change_of_mind",
    "[Unmanaged-Direct]",  # at A
    "test_switch.py::test_route_of_each_node",
    "test_faults.py",
    "",  # whatever is in no place of the walk
    "test_secrets.py",  # looks at what all others have left
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((n for n, part in enumerate(WALK) if part and part in item.nodeid), WALK.index(""))

    here = [item for item in items if item.nodeid.startswith("tests/e2e/")]
    others = [item for item in items if not item.nodeid.startswith("tests/e2e/")]
    items[:] = [*others, *sorted(here, key=place)]  # stable


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform(tmp_path_factory.mktemp("platform"), nodes=THREE_MASTERS) as running:
        yield running
