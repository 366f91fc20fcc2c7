"""What people fear of a switch: a node is away, another cannot pull by the new route, the operator dies at any time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.modes import UNMANAGED, at_rest, hosts_toml, interrupted, masters, to_unmanaged
from tests.e2e.waiting import failed, wait
from tests.platform.assembly import Platform
from tests.platform.settings import direct

pytestmark = [pytest.mark.root, pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]

UPSTREAM_B = "198.51.100.242"
AWAY, FAILING = "w2", "w3"  # the latter is the first that gets a route


def test_node_that_cannot_pull_holds_the_switch_before_any_other_has_a_route(platform: Platform) -> None:
    to_unmanaged(platform)
    before = platform.deckhouse.registry()
    platform.cluster.stop_node(AWAY)
    platform.wait_facts(lambda facts: facts["nodes"]["notReady"]["names"] == [AWAY], f"{AWAY} to be away")
    node = platform.cluster.node(FAILING)
    # Its pulls by the registry of the installation go on.
    targets = {master.address: 5001 for master in masters(platform)} | {UPSTREAM_B: None}
    for address, port in targets.items():
        platform.cluster.blackholes.add(address, port=port, machines=[node])
    with platform.pulling() as pulls:
        platform.apply(direct(platform.upstream_b), wait=False)

        def named(status: dict[str, Any]) -> bool:
            return any(
                condition["reason"] == "CanaryFailed" and f"fails on {FAILING}: " in condition["message"]
                for condition in status.get("conditions", [])
            )

        status = platform.wait_status(named, f"{FAILING} to be named")
        assert status["stage"] == "NodesPrepared"
        assert "Wave 1 of 5" in platform.condition("NodesPrepared")["message"]
        assert [each.name for each in platform.cluster.nodes.values() if hosts_toml(each)] == [FAILING]
        assert platform.deckhouse.registry() == before
        for address in targets:
            platform.cluster.unblackhole(address)
        seen = interrupted(platform, direct(platform.upstream_b))
        seen += interrupted(platform, direct(platform.upstream_a))
        platform.cluster.start_node(AWAY)
        wait(lambda: hosts_toml(platform.cluster.node(AWAY)), f"{AWAY} to have caught up", 120)
        seen += interrupted(platform, UNMANAGED)
    print(f"killed at {', '.join(seen)}; {len(pulls.pulls)} pulls")
    assert [one for one in failed(pulls.pulls) if one[0] != AWAY] == []
    at_rest(platform, "Unmanaged")
