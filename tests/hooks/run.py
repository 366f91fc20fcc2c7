"""Run a hook as the operator does: contexts in, patches applied strictly, the result held against the schema."""

from __future__ import annotations

import copy
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import jq
import jsonpatch
from deckhouse import hook

from tests.platform.operator import schema

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / "hooks"


def load(name: str) -> ModuleType:
    """The hook file as a module, without running it."""
    spec = importlib.util.spec_from_file_location(f"hook_{name}", HOOKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def filtered(name: str, binding: str, *objects: dict[str, Any]) -> list[dict[str, Any]]:
    """Snapshot items of a binding: each object through the hook's own jqFilter, by a real jq."""
    config = json.loads(load(name).CONFIG)
    program = next(b["jqFilter"] for b in config["kubernetes"] if b["name"] == binding)
    return [{"filterResult": jq.compile(program).input_value(item).first()} for item in objects]


class Result:
    """What one run left: resulting values, object operations, metrics."""

    def __init__(self, values: dict[str, Any], operations: list[dict[str, Any]], metrics: list[dict[str, Any]]) -> None:
        self.values, self.operations, self.metrics = values, operations, metrics
        self.internal: dict[str, Any] = values["registry"]["internal"]


def run(
    name: str, values: dict[str, Any], context: dict[str, Any], global_values: dict[str, Any] | None = None
) -> Result:
    """One run of `main` with one binding context; asserts that the result fits openapi/values.yaml and is JSON."""
    initial = {"global": global_values or {}, "registry": copy.deepcopy(values)}
    initial["registry"].setdefault("internal", {}).setdefault("facts", {})
    output = hook.testrun(load(name).main, binding_context=[context], config_values={}, initial_values=initial)
    patches = json.loads(json.dumps(output.values_patches.data))
    assert all(patch["op"] in ("add", "remove") for patch in patches)
    result = jsonpatch.JsonPatch(patches).apply(initial)
    # Wrong settings may be there already, by the back door of an older schema; the hook must add nothing wrong.
    rules = schema.load_schema(ROOT, "values.yaml")
    before, after = (schema.problems(rules, v["registry"], "registry") for v in (initial, result))
    assert after == before
    return Result(result, json.loads(json.dumps(output.kube_operations.data)), output.metrics.data)
