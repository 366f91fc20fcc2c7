"""Failed logins by address: a burst, then one a second; other addresses never notice; memory is bounded."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_gateway.attempts import Attempts

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(min_value=0, max_value=5)), max_size=60)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock, *, burst: int = 3, addresses: int = 4) -> Attempts:
    return Attempts(burst=burst, per_second=1.0, addresses=addresses, clock=clock)


def fail(attempts: Attempts, address: str, times: int) -> None:
    for _ in range(times):
        attempts.failed(address)


@pytest.mark.parametrize(
    ("failures", "later", "wait"),
    [(0, 0, 0), (2, 0, 0), (3, 0, 1), (3, 0.25, 0.75), (3, 1, 0), (4, 0, 2), (4, 2, 0), (3, 100, 0)],
)
def test_after_a_burst_an_address_waits_for_its_next_attempt(failures: int, later: float, wait: float) -> None:
    clock = Clock()
    attempts = made(clock)
    fail(attempts, "a", failures)
    clock.now += later
    assert attempts.wait("a") == pytest.approx(wait)


def test_another_address_does_not_wait() -> None:
    attempts = made(Clock())
    fail(attempts, "a", 50)
    assert (attempts.wait("a") > 0, attempts.wait("b")) == (True, 0)


def test_what_was_forgiven_is_a_burst_at_most() -> None:
    clock = Clock()
    attempts = made(clock)
    fail(attempts, "a", 1)
    clock.now += 3600
    fail(attempts, "a", 3)
    assert attempts.wait("a") == pytest.approx(1)


def test_the_address_that_failed_longest_ago_is_forgotten_first() -> None:
    attempts = made(Clock(), addresses=2)
    for address in ("a", "b", "a", "c"):
        fail(attempts, address, 3)
    assert [attempts.wait(address) > 0 for address in "abc"] == [True, False, True]


@given(STEPS)
def test_an_address_never_has_more_attempts_than_its_burst_and_its_seconds(steps: list[tuple[str, float]]) -> None:
    clock, tried = Clock(), 0
    attempts, begun = made(clock), clock.now
    for address, seconds in steps:
        clock.now += seconds
        if attempts.wait(address) == 0:
            attempts.failed(address)
            tried += address == "a"
        assert tried <= 3 + (clock.now - begun) + 1e-6


@given(STEPS)
def test_whoever_waits_as_told_may_try(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    attempts = made(clock)
    for address, seconds in steps:
        attempts.failed(address)
        clock.now += seconds
    for address in "abc":
        clock.now += attempts.wait(address) + 1e-6
        assert attempts.wait(address) == 0


@given(st.lists(st.text(max_size=3), max_size=60))
def test_only_so_many_addresses_are_remembered(addresses: list[str]) -> None:
    attempts = made(Clock())
    for address in addresses:
        attempts.failed(address)
    assert attempts.remembered == min(4, len(set(addresses)))
