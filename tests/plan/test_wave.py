"""`explain stage` on a wave that fails, and on one that was returned."""

from __future__ import annotations

from lib.registry_module import explain, forecast
from tests.unit.world import World
from tools.plan import text


def shown(world: World) -> str:
    assert world.outcome is not None
    return text.stage(explain.stage(forecast.Moment(world.inputs(), world.outcome)))


def test_a_failing_wave_says_when_it_is_returned_and_a_returned_one_when_it_is_tried_again() -> None:
    world = World()
    world.change("w1", canary=False)
    world.apply()
    world.settle()
    assert "Fails on w1, since 2026-11-24T00:00:00Z\nReturned at 2026-11-24T00:10:00Z, if" in shown(world)
    world.minute = 10
    world.settle()
    assert "Returned: wave 1 of 5: one node, at 2026-11-24T00:10:00Z: w1: 401\n" in shown(world)
    assert "Tried again at 2026-11-24T01:10:00Z, or when the settings change\n" in shown(world)
