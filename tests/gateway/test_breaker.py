"""When a source is asked last, for how long, and who may try it then."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_gateway.sources import breaker
from registry_gateway.sources.breaker import Attempt, Breaker, Outcome


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def attempt(made: Breaker, outcome: Outcome) -> None:
    with made.attempt() as one:
        one.outcome = outcome


def fresh() -> tuple[Breaker, Clock]:
    clock = Clock()
    return Breaker(clock=clock), clock


def test_a_new_source_is_well() -> None:
    assert not fresh()[0].ailing


def test_one_failure_is_enough() -> None:
    made, _ = fresh()
    attempt(made, Outcome.FAILED)
    assert made.ailing


@pytest.mark.parametrize(
    ("answers", "ailing"),
    [
        ("SS", False),
        ("SSS", True),
        ("SSASS", False),
        ("SSASSS", True),
        ("SSUS", True),  # what was given up says nothing
        ("AAAA", False),
    ],
)
def test_answers_of_an_overloaded_server_count_when_they_come_in_a_row(answers: str, ailing: bool) -> None:
    made, _ = fresh()
    words = {"S": Outcome.STUMBLED, "A": Outcome.ANSWERED, "U": Outcome.UNKNOWN}
    for letter in answers:
        attempt(made, words[letter])
    assert made.ailing is ailing


def test_the_pause_doubles_with_every_failed_trial_up_to_its_limit() -> None:
    made, clock = fresh()
    attempt(made, Outcome.FAILED)
    for pause in (5, 10, 20, 40, 60, 60):
        clock.now += pause - 0.01
        assert made.ailing
        clock.now += 0.01
        assert not made.ailing
        attempt(made, Outcome.FAILED)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.STUMBLED])
def test_a_trial_that_is_no_success_is_a_failure(outcome: Outcome) -> None:
    made, clock = fresh()
    attempt(made, Outcome.FAILED)
    clock.now += breaker.SHORTEST
    attempt(made, outcome)
    assert made.ailing


def test_a_success_begins_anew() -> None:
    made, clock = fresh()
    for _ in range(3):
        attempt(made, Outcome.FAILED)
        clock.now += breaker.LONGEST
    attempt(made, Outcome.ANSWERED)
    assert not made.ailing
    attempt(made, Outcome.FAILED)
    clock.now += breaker.SHORTEST
    assert not made.ailing


def test_while_one_tries_the_others_treat_it_as_ailing() -> None:
    made, clock = fresh()
    attempt(made, Outcome.FAILED)
    clock.now += breaker.SHORTEST
    with made.attempt() as first:
        assert first.trial
        assert made.ailing
        with made.attempt() as second:
            assert not second.trial
        assert made.ailing
        first.outcome = Outcome.ANSWERED
    assert not made.ailing


def test_a_trial_that_is_given_up_leaves_the_next_one_to_try() -> None:
    made, clock = fresh()
    attempt(made, Outcome.FAILED)
    clock.now += breaker.SHORTEST
    with pytest.raises(ValueError, match="client gone"), made.attempt():
        raise ValueError("client gone")
    assert not made.ailing
    with made.attempt() as again:
        assert again.trial


def test_many_that_fail_together_count_once() -> None:
    made, clock = fresh()
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(made.attempt()).outcome = Outcome.FAILED
    clock.now += breaker.SHORTEST
    assert not made.ailing


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0, 90)),
        st.tuples(st.just("begin"), st.none()),
        st.tuples(st.just("end"), st.sampled_from(list(Outcome))),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_one_tries_at_a_time_and_nobody_waits_longer_than_the_limit(
    steps: list[tuple[str, float | Outcome | None]],
) -> None:
    made, clock = fresh()
    running: list[tuple[ExitStack, Attempt]] = []
    for word, value in steps:
        if word == "wait":
            assert isinstance(value, float)
            clock.now += value
        elif word == "begin":
            well = not made.ailing
            stack = ExitStack()
            one = stack.enter_context(made.attempt())
            running.append((stack, one))
            assert well or not one.trial
        elif running:
            stack, one = running.pop(0)
            assert isinstance(value, Outcome)
            one.outcome = value
            stack.close()
            if value is Outcome.ANSWERED:
                assert not made.ailing
            elif value is Outcome.FAILED:
                assert made.ailing or not one.trial
        assert sum(one.trial for _, one in running) <= 1
    for stack, _ in running:
        stack.close()
    clock.now += breaker.LONGEST
    assert not made.ailing
