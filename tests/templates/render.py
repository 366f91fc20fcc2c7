"""Render the chart by the real Helm from values that the real hooks' core made for a miniature cluster."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.unit.world import BUNDLE, DIGEST, World

ROOT = Path(__file__).parents[2]
HELM = ROOT / "tools/bin/helm"
PKI = {
    "ca": {"crt": "CA-CRT\n", "key": "CA-KEY\n"},
    "serving": {"crt": "SERVING-CRT\n", "key": "SERVING-KEY\n"},
    "previous": [],
    "bundle": BUNDLE,
}
USERS = {name: {"name": name, "password": f"password-of-{name}-123"} for name in ("ro", "rw")}
GLOBAL: dict[str, Any] = {
    "enabledModules": ["vertical-pod-autoscaler"],
    "modulesImages": {
        "registry": {"base": "old.example.com/deckhouse/ee"},
        "digests": {"registry": {"gateway": DIGEST}},
    },
}


def values_of(world: World) -> dict[str, Any]:
    """What the operator would hand to Helm after the last step of the miniature cluster."""
    assert world.outcome is not None
    return {
        "global": GLOBAL,
        "registry": {
            **world.values,
            "registry": {"base": "modules.example.com/modules", "dockercfg": "e30=", "scheme": "https"},
            "internal": {
                "facts": {},
                "pki": PKI,
                "users": USERS,
                "state": world.outcome.state.to_dict(),
                "gateway": world.outcome.gateway,
                "nodeRoute": world.outcome.node_route,
                "proof": world.outcome.proof,
                "status": world.status(),
            },
        },
    }


def helm(values: dict[str, Any], folder: Path, chart: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`helm template` as a reviewer would call it."""
    path = folder / "values.json"
    path.write_text(json.dumps(values))
    command = [str(HELM), "template", "registry", str(chart), "--namespace", "d8-system", "--values", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def render(values: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """The rendered objects, sorted by kind and name."""
    finished = helm(values, folder)
    assert finished.returncode == 0, finished.stderr
    objects = [item for item in yaml.safe_load_all(finished.stdout) if item]
    return sorted(objects, key=lambda o: (o["kind"], o["metadata"]["name"]))
