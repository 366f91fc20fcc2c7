"""Probes of the registries behind a gateway: an expired licence shows before anybody's pull fails."""

from __future__ import annotations

import pytest

from registry_gateway.probes import Probes
from tests.gateway.token_registry import Registry
from tests.support.fault_server import Reply


@pytest.mark.parametrize(("status", "reason"), [(401, "Unauthorized"), (403, "Forbidden")])
async def test_a_licence_that_expires_shows_in_the_next_round(status: int, reason: str) -> None:
    rounds = []
    registry, probes = Registry(), Probes(lambda: rounds.append(1))
    async with registry.source() as source:
        await probes.round([source])
        assert [verdict["reason"] for verdict in probes.status()] == [""]
        registry.valid, registry.answer = set(), Reply(status)
        await probes.round([source])
        (verdict,) = probes.status()
        assert (verdict["reason"], verdict["reachable"]) == (reason, True)
        assert verdict["host"] in verdict["message"]
    assert len(rounds) == 2
