"""Binding configurations as data, built the same way by every hook (hook-contract §5)."""

from __future__ import annotations

import json
from typing import Any


def watch(
    name: str, kind: str, jq: str, *, api: str = "v1", names: tuple[str, ...] = (), namespace: str = "", **more: Any
) -> dict[str, Any]:
    """A kubernetes binding that keeps only the filter's result. `more` overrides or adds fields of the contract."""
    binding: dict[str, Any] = {
        "name": name,
        "apiVersion": api,
        "kind": kind,
        "jqFilter": jq,
        "keepFullObjectsInMemory": False,
    }
    if names:
        binding["nameSelector"] = {"matchNames": list(names)}
    if namespace:
        binding["namespace"] = {"nameSelector": {"matchNames": [namespace]}}
    return {**binding, **more}


def snapshot(name: str, kind: str, jq: str, **fields: Any) -> dict[str, Any]:
    """A kubernetes binding that never starts the hook: only a source of snapshots."""
    return watch(name, kind, jq, executeHookOnEvent=[], executeHookOnSynchronization=False, **fields)


def discovery(topic: str, *bindings: dict[str, Any], min_interval: str = "") -> str:
    """Configuration of a hook that turns objects into facts: one group, a queue of its own, paced on large clusters."""
    config: dict[str, Any] = {
        "configVersion": "v1",
        "kubernetes": [{**binding, "group": topic, "queue": f"/modules/registry/{topic}"} for binding in bindings],
    }
    if min_interval:
        config["settings"] = {"executionMinInterval": min_interval, "executionBurst": 1}
    return json.dumps(config)


def decision(**sections: Any) -> str:
    """Configuration of a hook bound to the module's run."""
    return json.dumps({"configVersion": "v1", **sections})
