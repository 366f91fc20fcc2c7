"""What holds for all tests: one that needs root says so where there is none; files that take minutes begin first."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.runner.scheduling import Files

LONG = ("tests/switch/test_kill.py", "tests/review/", "tests/model/", "tests/platform_tests/test_gateway_image.py")
"""With several workers each file goes to one; a long one that begins last is waited for by all."""

# How soon an example comes depends on what else the machine does; each test has a time limit of its own.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((n for n, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG))

    items.sort(key=place)  # stable: the others stay in their order


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Files | None:
    return Files(config, log) if config.option.dist == "loadfile" else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root: network namespaces, mounts, containerd and kubelets; CI runs it")
