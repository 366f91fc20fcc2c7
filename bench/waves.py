"""A whole switch of few and of many nodes, which follow at random speeds: how it goes, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable

from bench.rows import Row, ratio, row
from tests.unit.crowd import Crowd

FEW, MANY = 50, 5000
ROUNDS = 500
AIM_VALUES = 1.1


def bench(say: Callable[[str], None], *, few: int = FEW, many: int = MANY) -> list[Row]:
    """Runs of the switch until it is done, changes of the NodeGroupConfiguration, bytes of values at most. Raises
    RuntimeError when it does not end.
    """
    rows, values = list[Row](), list[int]()
    for count in (few, many):
        say(f"waves: a switch of {count} simulated nodes, one in a hundred flapping, one in a hundred gone")
        crowd = Crowd(count)
        crowd.world.settle_once()
        crowd.world.apply()
        course = crowd.switch(rounds=ROUNDS)
        if course.stage != "Ready":
            raise RuntimeError(f"{count} nodes: the switch stands at {course.stage} after {ROUNDS} runs")
        values.append(max(course.values))
        rows += [
            row(f"waves.{count}_nodes.runs", course.rounds, "runs"),
            row(f"waves.{count}_nodes.told", len(course.told), "changes"),
            row(f"waves.{count}_nodes.values", values[-1], "bytes"),
        ]
    return [*rows, ratio("waves.values.many_to_few", values[1] / values[0], aim=AIM_VALUES)]
