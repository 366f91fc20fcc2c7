"""One run of a hook as the operator starts it, and what it cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch

_MEASURED = Path(__file__).with_name("measured.py")
_OUTPUTS = ("VALUES_JSON_PATCH_PATH", "CONFIG_VALUES_JSON_PATCH_PATH", "KUBERNETES_PATCH_PATH", "METRICS_PATH")


@dataclass(frozen=True)
class Cost:
    """`wall` and `cpu` in seconds, `peak` and `patch` in bytes; `values` are those after the patch."""

    wall: float
    cpu: float
    peak: int
    patch: int
    values: dict[str, Any]


def run(hook: Path, context: dict[str, Any], values: dict[str, Any]) -> Cost:
    """Start `hook` with the files of hook-contract section 4. Raises RuntimeError when it fails."""
    inputs = {"BINDING_CONTEXT_PATH": [context], "VALUES_PATH": values, "CONFIG_VALUES_PATH": {}}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        for variable, content in inputs.items():
            (folder / variable).write_text(json.dumps(content), encoding="utf-8")
        for variable in _OUTPUTS:
            (folder / variable).touch()
        paths = {variable: str(folder / variable) for variable in (*inputs, *_OUTPUTS)}
        finished = subprocess.run(
            [sys.executable, "-I", "-S", str(_MEASURED), sys.executable, str(hook)],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **paths},
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise RuntimeError(f"{hook.name} failed: {finished.stderr.strip()[-2000:]}")
        patch = (folder / "VALUES_JSON_PATCH_PATH").read_text(encoding="utf-8")
    cost = json.loads(finished.stdout)
    after = jsonpatch.JsonPatch([json.loads(line) for line in patch.splitlines()]).apply(values)
    return Cost(cost["wall"], cost["cpu"], cost["peak"], len(patch.encode()), after)
