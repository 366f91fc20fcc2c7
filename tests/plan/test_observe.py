"""A managed cluster read from its objects is the one that the hooks see: at rest nothing changes."""

from __future__ import annotations

from typing import Any

import pytest

from lib.registry_module.plan import plan
from tests.plan.managed import Managed
from tests.unit.world import DIRECT, LOCAL, PROXY, UNMANAGED
from tools.plan import observe
from tools.plan.__main__ import planned


def config(settings: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "ModuleConfig", "metadata": {"name": "registry"}, "spec": {"settings": settings}}


def at_rest(settings: dict[str, Any]) -> Managed:
    world = Managed(values=settings)
    assert world.settle() == "Ready"
    return world


@pytest.mark.parametrize("settings", [DIRECT, PROXY, LOCAL], ids=lambda settings: settings["mode"])
def test_cluster_at_rest_is_seen_as_it_is(settings: dict[str, Any]) -> None:
    world = at_rest(settings)
    seen = observe.observe(world.objects(), config(settings))
    assert seen.state == world.state
    found = plan(seen.inputs, seen.state)
    assert found.changes_nothing
    assert found.end.outcome.gateway["version"] == world.outcome.gateway["version"]  # type: ignore[union-attr] # it has run
    assert found.end.outcome.node_route == world.outcome.node_route  # type: ignore[union-attr] # the same


def test_way_back_is_planned_with_the_files_that_go() -> None:
    data = planned(observe.observe(at_rest(DIRECT).objects(), config(UNMANAGED)))
    assert data["ready"] is True
    [removal] = [step for step in data["steps"] if step["stage"] == "NodesFinalized"]
    assert all(line.startswith("-") for line in removal["files"][0]["diff"] if not line.startswith("+++"))
    # The nodes of this world are containerd 1.x and report no config_path.
    assert removal["files"][0]["file"] == "/etc/containerd/conf.d/registry-route.toml"
    assert removal["restarts"] == ["containerd on nodes like legacy restarts: it reads mirrors when it starts."]


def test_without_a_configuration_the_settings_in_force_count() -> None:
    seen = observe.observe(at_rest(PROXY).objects())
    assert seen.inputs.verdict.settings == seen.state.settings
