"""Places in all and for one client: neither limit is ever passed, and what is given back can be had again."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from registry_gateway.limits import Quota


def test_each_limit_is_named_when_it_is_reached() -> None:
    quota = Quota(total=3, per_client=2)
    assert [quota.take(address) for address in ("a", "a", "a", "b", "c")] == ["", "", "client", "", "total"]


def test_a_place_given_back_can_be_taken_by_another() -> None:
    quota = Quota(total=1, per_client=1)
    quota.take("a")
    quota.give_back("a")
    assert (quota.take("b"), quota.taken) == ("", 1)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans())))
def test_limits_hold_whatever_happens(steps: list[tuple[str, bool]]) -> None:
    quota, held = Quota(total=5, per_client=2), Counter[str]()
    for address, takes in steps:
        if takes:
            full = "total" if held.total() == 5 else "client" if held[address] == 2 else ""
            assert quota.take(address) == full
            held[address] += not full
        elif held[address]:
            quota.give_back(address)
            held[address] -= 1
        assert quota.taken == held.total()
