"""Every mode to every other, the operator killed at every stage on the way: no pull fails, the end is right.

One walk takes all twelve ways, each once, and none besides (an Eulerian circuit): a switch is what costs time here.
Its first four ways come to every mode and leave it; they are what every run walks.
"""

from __future__ import annotations

from itertools import pairwise, permutations

import pytest

from tests.e2e.modes import at_rest, interrupted, settings_for, to
from tests.e2e.waiting import failed
from tests.platform.assembly import Platform

pytestmark = [pytest.mark.root, pytest.mark.cluster, pytest.mark.timeout(600)]

MODES = {"U": "Unmanaged", "D": "Direct", "P": "Proxy", "L": "Local"}
WALK = "UDPLUPDLPULDU"
WAYS = [(MODES[old], MODES[new]) for old, new in pairwise(WALK)]
SHORT = 4
assert sorted(WAYS) == sorted(permutations(MODES.values(), 2)), "each way once"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(old, new, id=f"{old}-{new}", marks=[] if number < SHORT else [pytest.mark.long])
        for number, (old, new) in enumerate(WAYS)
    ],
)
def test_interrupted_at_every_stage_a_switch_ends_right_and_no_pull_fails(
    platform: Platform, old: str, new: str
) -> None:
    if platform.status().get("mode", "Unmanaged") != old:
        to(platform, old)  # only when this way is walked alone, or the one before it failed
    with platform.pulling() as pulls:
        seen = interrupted(platform, settings_for(platform, new))
    print(f"{old} to {new}: {', '.join(seen)}; {len(pulls.pulls)} pulls")
    assert failed(pulls.pulls) == []
    assert len(seen) >= 2, "stages were missed"
    assert pulls.pulls
    at_rest(platform, new)
    assert platform.operator.queue_errors() == {}
