"""Conditions with a deadline, and the type of the fixture `start`."""

import time
from collections.abc import Callable

import pytest

from tests.platform.operator import Operator

Start = Callable[..., Operator]
"""Makes and starts an operator for the test's module; keywords go to Operator."""


def wait_for(condition: Callable[[], object], *, timeout: float = 60.0, what: str = "condition") -> None:
    """Wait until condition() is true. Fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {timeout} s")
        time.sleep(0.02)


def ran(operator: Operator) -> list[tuple[str, str]]:
    """Hook and first binding of every run so far, oldest first."""
    return [(run.hook.removeprefix("hooks/"), str(run.contexts[0]["binding"])) for run in operator.hook_runs()]
