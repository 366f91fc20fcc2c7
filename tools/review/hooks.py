"""The module's hooks, each run as a process with the operator's files (hook-contract §4)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonpatch

from . import dump

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Hook:
    path: Path
    config: dict[str, Any]

    @property
    def bindings(self) -> list[dict[str, Any]]:
        return list(self.config.get("kubernetes", []))


@cache
def load() -> list[Hook]:
    """All hooks with their configuration, asked for once."""
    paths = sorted(path for path in (ROOT / "hooks").glob("*.py") if os.access(path, os.X_OK))
    return [Hook(path, json.loads(_start(path, "--config").stdout)) for path in paths]


def _start(path: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(path), *arguments],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        capture_output=True,
        text=True,
        check=True,
    )


def run(hook: Hook, objects: list[dump.Object], values: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One run on the dumped objects: the resulting values, and the object operations it asks for."""
    group = next((binding.get("group") for binding in hook.bindings if binding.get("group")), None)
    snapshots = {binding["name"]: dump.snapshot(objects, binding) for binding in hook.bindings}
    context = {"binding": group or "beforeHelm", "snapshots": snapshots} | ({"type": "Group"} if group else {})
    with tempfile.TemporaryDirectory() as folder:
        inputs: dict[str, Any] = {"BINDING_CONTEXT_PATH": [context], "VALUES_PATH": values, "CONFIG_VALUES_PATH": {}}
        outputs = ("VALUES_JSON_PATCH_PATH", "KUBERNETES_PATCH_PATH", "METRICS_PATH")
        env = {name: str(Path(folder, name)) for name in (*inputs, *outputs)}
        for name, content in inputs.items():
            Path(env[name]).write_text(json.dumps(content), encoding="utf-8")
        _start(hook.path, env=env)
        patches, operations, _ = (_lines(Path(env[name])) for name in outputs)
    return jsonpatch.JsonPatch(patches).apply(values), operations


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def module_run(objects: list[dump.Object], values: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Discovery, then `beforeHelm` in order: values for Helm, and the operations of the whole run."""
    hooks = load()
    discovery = [hook for hook in hooks if any(binding.get("group") for binding in hook.bindings)]
    decisions = sorted((h for h in hooks if "beforeHelm" in h.config), key=lambda hook: hook.config["beforeHelm"])
    operations: list[dict[str, Any]] = []
    for hook in [*discovery, *decisions]:
        values, asked = run(hook, objects, values)
        operations += asked
    return values, operations
