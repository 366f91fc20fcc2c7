"""Many nodes at random speeds: wave by wave to the end; what is kept of them does not grow (5,000: `make bench`)."""

from __future__ import annotations

from tests.unit.crowd import Crowd


def test_a_large_cluster_converges_in_waves_while_nodes_flap_and_some_never_come() -> None:
    crowd = Crowd(120)
    crowd.world.settle_once()
    crowd.world.apply()
    there = crowd.switch(rounds=200)
    assert there.stage == "Ready"
    first = there.told[: there.told.index(100) + 1]
    assert first == [0, 10, 50, 100], "one node and the control plane are shares of nothing"
    assert all(node.version for node in crowd.world.nodes if node.ready and node not in crowd.flapping)
    assert not any(node.version for node in crowd.gone)
    assert max(there.values) < 20_000, "bytes, of any number of nodes"
