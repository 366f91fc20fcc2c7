"""Command line: what would this ModuleConfig render in this cluster?"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from . import dump, hooks, readable
from .follow import follow
from .mask import masked

MAX_RUNS = 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="review", description=__doc__)
    parser.add_argument("config", type=Path, help="ModuleConfig, for example examples/direct.yaml")
    parser.add_argument("facts", type=Path, help="folder of dumped objects, for example examples/cluster/")
    parser.add_argument("--until", default="", help="let the cluster follow until this stage, for example Ready")
    parser.add_argument("--show-secrets", action="store_true", help="print the data of Secrets")
    arguments = parser.parse_args()
    try:
        config = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
        objects = dump.load(arguments.facts)
    except (OSError, yaml.YAMLError, dump.DumpError) as error:
        print(f"review: {error}", file=sys.stderr)
        return 2
    return review(config, objects, arguments.until, arguments.show_secrets)


def review(config: dict[str, Any], objects: list[dump.Object], until: str, show: bool) -> int:
    """Print the stages to stderr and the manifests to stdout; 1 when the wanted stage is not reached."""
    values = initial_values(config, objects)
    operations: list[dict[str, Any]] = []
    for _ in range(MAX_RUNS):
        values, operations = hooks.module_run(objects, values)
        status = values["registry"]["internal"]["status"]
        _say(status)
        if not until or status["stage"] == until:
            break
        values["global"] = follow(objects, values, operations)
    else:
        print(f"review: stage {until} is not reached", file=sys.stderr)
        return 1
    return _print(values, operations, show)


def initial_values(config: dict[str, Any], objects: list[dump.Object]) -> dict[str, Any]:
    """Values before any hook: settings of the ModuleConfig, and `global` from the dump (kind Values)."""
    given = next((o for o in objects if o["kind"] == "Values"), {})
    settings = (config.get("spec") or {}).get("settings") or {}
    module = {"registry": given.get("registry", {}), "internal": {"facts": {}}, **settings}
    return {"global": given.get("global", {}), "registry": module}


def _say(status: dict[str, Any]) -> None:
    print(f"# stage {status['stage']}: {status['message']}", file=sys.stderr)


def _print(values: dict[str, Any], operations: list[dict[str, Any]], show: bool) -> int:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        helm = [str(hooks.ROOT / "tools/bin/helm"), "template", "registry", str(hooks.ROOT), "-n", "d8-system"]
        finished = subprocess.run([*helm, "-f", file.name], capture_output=True, text=True, check=False)
    if finished.returncode:
        print(f"review: {finished.stderr.strip()}", file=sys.stderr)
        return 1
    rendered = [item for item in yaml.safe_load_all(finished.stdout) if item]
    shown = [item if show else masked(item) for item in rendered]
    print(readable.dump_all(shown), end="")
    for operation in operations:
        item = {"kind": operation["kind"], "data": operation["mergePatch"].get("data", {})}
        data = item if show else masked(item)
        print(f"---\n# patch of {operation['kind']} {operation['namespace']}/{operation['name']}")
        print(yaml.dump({"data": data["data"]}, sort_keys=False), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
