"""A cluster in the middle of a switch, for any number of nodes: what the operator would hand to the hooks.

The values come from real runs of all hooks on `examples/cluster`, up to the stage in which nodes take the new route
over; then the workers are replaced by as many as wanted, every second one of them ready with the new route.
"""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.review import dump, hooks
from tools.review.__main__ import initial_values
from tools.review.follow import follow

ROOT = Path(__file__).parents[1]
STAGE = "NodesPrepared"
MAX_RUNS = 10
VERSION, REPORT = "registry.deckhouse.io/route-version", "registry.deckhouse.io/route-report"
PASSED = {"rewrite": True, "configPath": True, "clientCert": True, "canary": {"image": "", "ok": True, "error": ""}}


@dataclass(frozen=True)
class Scene:
    """Values at `STAGE`, the objects of the cluster, and the hooks."""

    values: dict[str, Any]
    objects: list[dump.Object]
    hooks: dict[str, hooks.Hook]

    @property
    def state(self) -> str:
        """What Secret registry-state holds: the hook finds it there after a restart of the operator."""
        return base64.b64encode(json.dumps(self.values["registry"]["internal"]["state"]).encode()).decode()

    def nodes(self, count: int) -> list[dump.Object]:
        """The control plane of the example and workers, `count` nodes in all."""
        masters = [item for item in self.objects if item["kind"] == "Node" and _is_control_plane(item)]
        version = self.values["registry"]["internal"]["nodeRoute"]["version"]
        return masters + [_worker(number, version) for number in range(count - len(masters))]

    def snapshot(self, nodes: list[dump.Object]) -> list[dict[str, Any]]:
        """Snapshot items of `nodes`, by the jq filter of the hook itself."""
        return dump.snapshot(nodes, self.hooks["discover_nodes"].bindings[0])

    def with_nodes(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Values with these facts of nodes and without results of the switch, as after a restart of the operator:
        the hook has to write all of it, so the patch is as large as it can be."""
        values = copy.deepcopy(self.values)
        internal = values["registry"]["internal"]
        internal["facts"]["nodes"] = facts
        for result in ("state", "gateway", "nodeRoute", "status"):
            del internal[result]
        return values


def prepare() -> Scene:
    """Run the module until STAGE. Raises RuntimeError when it is not reached."""
    config = yaml.safe_load((ROOT / "examples" / "direct.yaml").read_text(encoding="utf-8"))
    objects = dump.load(ROOT / "examples" / "cluster")
    values = initial_values(config, objects)
    for _ in range(MAX_RUNS):
        values, operations = hooks.module_run(objects, values)
        if values["registry"]["internal"]["status"]["stage"] == STAGE:
            return Scene(values, objects, {hook.path.stem: hook for hook in hooks.load()})
        values["global"] = follow(objects, values, operations)
    raise RuntimeError(f"stage {STAGE} is not reached in {MAX_RUNS} runs of the module")


def _is_control_plane(item: dump.Object) -> bool:
    return "node-role.kubernetes.io/control-plane" in item["metadata"].get("labels", {})


def _worker(number: int, version: str) -> dump.Object:
    annotations = {VERSION: version, REPORT: json.dumps(PASSED)} if number % 2 else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"worker-{number:05d}", "labels": {}, "annotations": annotations},
        "status": {
            "addresses": [{"type": "InternalIP", "address": f"198.51.100.{number % 250 + 1}"}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"containerRuntimeVersion": "containerd://2.1.5"},
        },
    }
