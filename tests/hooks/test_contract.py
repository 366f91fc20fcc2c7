"""Every hook file as the operator meets it: executable, silent, readable by old Pythons, configured by the contract."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lib.registry_module import snapshots
from tests.hooks.run import HOOKS
from tests.platform.operator import binding_config

FILES = sorted(path for path in HOOKS.glob("*.py"))
CORE = sorted((HOOKS / "lib").rglob("*.py"))


def start(path: Path, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    libraries = os.pathsep.join(p for p in sys.path if "site-packages" in p)
    environment = {"PYTHONPATH": libraries, "PYTHONDONTWRITEBYTECODE": "1", **env}
    return subprocess.run(
        [sys.executable, str(path), *arguments], env=environment, cwd="/", capture_output=True, text=True, check=False
    )


def test_exactly_the_hook_files_are_executable() -> None:
    found = [
        p
        for p in HOOKS.rglob("*")
        if p.is_file() and os.access(p, os.X_OK) and "lib" not in p.parts[len(HOOKS.parts) :]
    ]
    assert sorted(found) == FILES
    assert all(path.suffix == ".py" or "__pycache__" in path.parts for path in HOOKS.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_hook_prints_a_valid_binding_configuration_in_a_bare_environment(path: Path) -> None:
    finished = start(path, "--config", env={})
    assert finished.stderr == ""
    binding_config.parse(finished.stdout)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_hook_is_short_and_says_why_it_exists(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 80
    assert ast.get_docstring(ast.parse(text))
    assert text.startswith("#!/usr/bin/env python3\n")


@pytest.mark.parametrize("path", [*FILES, *CORE], ids=lambda path: path.stem)
def test_source_is_readable_by_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 8))


def test_order_numbers_are_distinct() -> None:
    configs = [json.loads(start(path, "--config", env={}).stdout) for path in FILES]
    for section in ("beforeHelm", "afterHelm"):
        numbers = [config[section] for config in configs if section in config]
        assert len(numbers) == len(set(numbers))


def test_queues_of_events_are_the_modules_own() -> None:
    for path in FILES:
        config = json.loads(start(path, "--config", env={}).stdout)
        for binding in [*config.get("schedule", []), *config.get("kubernetes", [])]:
            if binding.get("executeHookOnEvent") != []:
                assert binding["queue"].startswith("/modules/registry/"), path.name
            assert binding.get("keepFullObjectsInMemory", False) is False


def run_with_files(path: Path, folder: Path, contexts: list[Any], values: dict[str, Any]) -> dict[str, str]:
    """One run with real context files; what it left in each result file."""
    inputs = {
        "BINDING_CONTEXT_PATH": contexts,
        "VALUES_PATH": values,
        "CONFIG_VALUES_PATH": {"global": None, "registry": None},
    }
    env = {}
    for variable, content in inputs.items():
        (folder / variable).write_text(json.dumps(content))
        env[variable] = str(folder / variable)
    outputs = ("VALUES_JSON_PATCH_PATH", "KUBERNETES_PATCH_PATH", "METRICS_PATH", "CONFIG_VALUES_JSON_PATCH_PATH")
    for variable in outputs:
        (folder / variable).touch()
        env[variable] = str(folder / variable)
    finished = start(path, env=env)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout + finished.stderr == ""
    return {variable: (folder / variable).read_text() for variable in outputs}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("global_values", [None, {}], ids=["null", "empty"])
def test_hook_runs_with_empty_snapshots_and_almost_no_values(path: Path, global_values: Any, tmp_path: Path) -> None:
    context = {"binding": "beforeHelm", "snapshots": {}}
    values = {"global": global_values, "registry": {"mode": "Direct", "internal": {"facts": {}}}}
    results = run_with_files(path, tmp_path, [context, context], values)
    for line in results["VALUES_JSON_PATCH_PATH"].splitlines():
        patch = json.loads(line)
        assert patch["op"] in ("add", "remove")
        assert patch["path"].startswith("/registry/internal/")
    assert results["CONFIG_VALUES_JSON_PATCH_PATH"] == ""


def test_objects_that_the_embedded_module_has_too_are_read_with_our_label_only() -> None:
    """Deciding hooks never take another owner's Secret for their own; only discovery looks for it."""
    seen = 0
    for path in FILES:
        config = json.loads(start(path, "--config", env={}).stdout)
        for binding in config.get("kubernetes", []):
            named = binding.get("nameSelector", {}).get("matchNames", [])
            ours = [name for name in named if name.startswith("registry-")]
            if path.stem == "discover_platform" or binding["kind"] != "Secret" or not ours:
                continue
            assert binding["labelSelector"] == {"matchLabels": {snapshots.OWNER_LABEL: snapshots.OWNER}}, (
                f"{path.stem}: {ours}"
            )
            seen += 1
    assert seen >= 4
