"""The status as an API server keeps it and kubectl shows it: columns, `describe`, `wait`; nothing old stays."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib.registry_module import names, status
from tests.operator.api_server import ApiServer
from tests.platform.operator import definitions
from tests.platform.operator.life import Life
from tests.unit.world import UNMANAGED, World, direct

ROOT = Path(__file__).parents[2]
MAIN = {"apiVersion": names.API_VERSION, "kind": "Registry", "metadata": {"name": "main"}}
Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def kubectl(api: ApiServer) -> Kubectl:
    """kubectl against the session's API server, which knows `Registry/main`."""
    definitions.install(ROOT / "crds", cluster=api.cluster, life=Life())
    api.create(MAIN)

    def run(*arguments: str) -> str:
        command = [str(ROOT / "tools/bin/kubectl"), "--kubeconfig", str(api.kubeconfig), *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout

    return run


def publish(api: ApiServer, world: World) -> dict[str, Any]:
    """Patch the status as the hook does; returns what the API server has kept."""
    path = api.cluster.resource(names.API_VERSION, "Registry").path("", "main") + "/status"
    body = {"status": status.replacement(world.status())}
    kept = api.cluster.call("PATCH", path, body=body, content_type="application/merge-patch+json")
    return dict(kept["status"])


def test_every_field_is_kept_and_old_ones_go(api: ApiServer, kubectl: Kubectl) -> None:
    world = direct()
    world.change("w1", canary=False)
    world.step()
    assert publish(api, world) == {key: value for key, value in world.status().items() if value != {}}
    world.change("w1", canary=True)
    world.values = dict(UNMANAGED)
    assert world.settle() == "Ready"
    kept = publish(api, world)
    assert kept == {key: value for key, value in world.status().items() if value != {}}
    assert "imageCheck" not in kept


def test_get_describe_and_wait_tell_how_far_it_is(api: ApiServer, kubectl: Kubectl) -> None:
    world = World()
    world.broken = {"new.example.com": ("NotFound", "answered 404")}
    world.apply()
    assert world.settle() == "ImagesAvailable"
    publish(api, world)
    head, row = kubectl("get", "registry", "main", "-o", "wide").splitlines()
    assert head.split()[:8] == ["NAME", "MODE", "TARGET", "STAGE", "READY", "SINCE", "NODES", "IMAGES"]
    assert row.split()[:5] == ["main", "Direct", "new.example.com/deckhouse/ee", "ImagesAvailable", "False"]
    assert "answered 404" in row
    assert "0/2" in row.split()
    described = kubectl("describe", "registry", "main")
    assert "answered 404" in described
    assert "old.example.com/deckhouse/ee" in described  # where the switch comes from
    assert "met" in kubectl("wait", "registry", "main", "--for=condition=Ready=False", "--timeout=20s")
    world.broken = {}
    assert world.settle() == "Ready"
    publish(api, world)
    assert "met" in kubectl("wait", "registry", "main", "--for=condition=Ready", "--timeout=20s")
