"""A small cluster on every way it can go; the number of moments is printed (-s)."""

from __future__ import annotations

import pytest

from tests.model.laws import Laws
from tests.model.model import DIRECTLY, EVERY, A, Explored, Fate, explore, start

LIMIT = 20_000


def every_way(wish: str, fate: Fate, wishes: tuple[str, ...] = EVERY) -> Explored:
    """Everything that can happen, held to the laws."""
    laws = Laws()
    first = start(wish, fate, wishes)
    laws.learn(first.world)
    found = explore(first, laws, limit=LIMIT)
    print(f"{wish}, {fate}: {found.moments} moments, {found.steps} steps")
    if fate.failures:
        assert ("remove" if wish == "unmanaged" else "apply") in laws.returns
    return found


FATES = {
    "one change": Fate(changes=1),
    "change and absence": Fate(changes=1, absences=1),
    "change and outage": Fate(changes=1, outages=1),
    "two changes": Fate(changes=2),
    "change and lost state": Fate(changes=1, losses=1),
    "change and failure": Fate(changes=1, failures=1),
    "change, failure and delay": Fate(changes=1, failures=1, delays=1),
}

TWO_CHANGES_AND_DELAY = Fate(changes=2, delays=1)
FAILURE_AND_LOSS = Fate(changes=1, failures=1, losses=1)
ONE_CHANGE = {name: fate for name, fate in FATES.items() if fate.changes == 1}


@pytest.mark.parametrize("fate", FATES.values(), ids=list(FATES))
@pytest.mark.parametrize("wish", ["unmanaged", "a"])
def test_laws_hold_on_every_way_between_unmanaged_and_direct(wish: str, fate: Fate) -> None:
    found = every_way(wish, fate, DIRECTLY)
    assert found.moments > 30


@pytest.mark.long  # 5,000 moments each; the next test has the same fate and more between two wishes
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("wish", ["unmanaged", "a"])
def test_laws_hold_where_a_slow_node_meets_a_change_of_mind(wish: str) -> None:
    every_way(wish, TWO_CHANGES_AND_DELAY, DIRECTLY)


@pytest.mark.parametrize("wishes", [("unmanaged", "a"), ("a", "b")], ids=" and ".join)
def test_laws_hold_where_a_returned_wave_meets_a_change_of_mind_and_a_slow_node(wishes: tuple[str, ...]) -> None:
    every_way(wishes[0], Fate(changes=2, failures=1, delays=1), wishes)


@pytest.mark.parametrize("wish", ["unmanaged", "a"])
def test_laws_hold_where_the_state_of_a_returned_wave_is_lost(wish: str) -> None:
    every_way(wish, FAILURE_AND_LOSS, DIRECTLY)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("wish", ["unmanaged", "a", "proxy", "local"])
def test_laws_hold_where_the_state_of_a_returned_wave_is_lost_in_any_mode(wish: str) -> None:
    every_way(wish, FAILURE_AND_LOSS)


@pytest.mark.long  # 11,000 moments each
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("wish", ["unmanaged", "a"])
def test_laws_hold_where_a_returned_wave_meets_any_change_of_mind(wish: str) -> None:
    every_way(wish, Fate(changes=2, failures=1), DIRECTLY)


@pytest.mark.parametrize("fate", ONE_CHANGE.values(), ids=list(ONE_CHANGE))
@pytest.mark.parametrize("wish", ["unmanaged", "a", "proxy", "local"])
def test_laws_hold_on_every_way_between_all_modes(wish: str, fate: Fate) -> None:
    found = every_way(wish, fate)
    assert found.moments > 60


def test_a_node_without_a_way_is_noticed() -> None:
    laws, moment = Laws(), start("a", Fate())
    laws.learn(moment.world)
    broken = moment.fork("everything is torn down")
    broken.world.loaded = {}
    broken.world.nodes[0].version = None
    with pytest.raises(AssertionError, match="cannot pull"):
        laws.every_ready_node_pulls(moment, broken, "")
    assert A in laws.upstreams[str(moment.world.nodes[0].version)]
