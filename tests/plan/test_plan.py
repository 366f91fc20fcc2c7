"""`plan` on dumps: golden text for every example, the same content for machines, clear words for bad inputs.

After a wanted change of the text: for each configuration
.venv/bin/python -m tools.plan plan CONFIG --facts examples/cluster > tests/plan/golden/NAME.txt
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plan.command import CLUSTER, ROOT, registry_plan
from tools.plan import observe, text
from tools.plan.__main__ import planned
from tools.review import dump

CONFIGS = sorted((ROOT / "examples").glob("*.yaml"))
GOLDEN = ROOT / "tests/plan/golden"


def data(config: Path, objects: list[dump.Object] | None = None) -> dict[str, Any]:
    settings = yaml.safe_load(config.read_text())
    return planned(observe.observe(objects or dump.load(CLUSTER), settings))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_plan_of_an_example_is_the_golden_text(config: Path) -> None:
    shown = text.plan(data(config))
    assert shown == (GOLDEN / f"{config.stem}.txt").read_text()
    assert "password" not in shown


def test_no_golden_text_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {path.stem for path in CONFIGS}


def test_command_prints_the_plan_and_its_json() -> None:
    config = ROOT / "examples/direct.yaml"
    assert registry_plan("plan", config, "--facts", CLUSTER) == (GOLDEN / "direct.txt").read_text()
    assert json.loads(registry_plan("plan", config, "--facts", CLUSTER, "--json")) == data(config)


def test_nodes_that_have_reported_are_told_by_kind() -> None:
    objects = dump.load(CLUSTER)
    reports = {
        "master-1": {"rewrite": True, "configPath": True},
        "master-2": {"rewrite": False, "configPath": True},
        "worker-1": {"rewrite": False, "configPath": False},
    }
    for item in objects:
        name = item["metadata"]["name"]
        if name in reports:
            item["metadata"]["annotations"] = {"registry.deckhouse.io/route-report": json.dumps(reports[name])}
    kinds = data(ROOT / "examples/direct.yaml", objects)["nodes"]["kinds"]
    found = {kind["kind"]: kind["nodes"] for kind in kinds}
    assert found["rewrites"] == ["master-1"]
    assert found["stock"] == ["master-2"]
    assert found["legacy"] == ["worker-1"]
    assert found["unasked"] == ["worker-2"]
    assert found["unasked-v1"] == ["worker-3"]


def test_switch_that_would_be_stuck_has_exit_code_1(tmp_path: Path) -> None:
    shutil.copytree(CLUSTER, tmp_path / "facts")
    nodes = tmp_path / "facts/nodes.yaml"
    nodes.write_text(nodes.read_text().replace("containerd://1.6.20", "docker://20.10"))
    shown = registry_plan("plan", ROOT / "examples/direct.yaml", "--facts", tmp_path / "facts", code=1)
    assert "BLOCKED: the switch stops at RuntimeSupported (RuntimeNotSupported)" in shown


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not YAML"),
        ("[]", "holds no ModuleConfig"),
        ("kind: ModuleConfig\nmetadata: {name: other}", "not a ModuleConfig with the name registry"),
    ],
)
def test_wrong_configuration_is_a_clear_error(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    assert words in registry_plan("plan", tmp_path / "config.yaml", "--facts", CLUSTER, code=2)


def test_missing_facts_are_a_clear_error(tmp_path: Path) -> None:
    config = ROOT / "examples/direct.yaml"
    assert "dump objects with" in registry_plan("plan", config, "--facts", tmp_path, code=2)
    assert "is no file" in registry_plan("plan", config, "--kubeconfig", tmp_path / "none", code=2)
    assert "No such file" in registry_plan("plan", tmp_path / "none", "--facts", CLUSTER, code=2)


def test_text_cannot_steer_a_terminal() -> None:
    assert text.printable("a\x1b[31mb\n") == "a?[31mb\n"


def test_wrong_settings_change_nothing_and_are_named(tmp_path: Path) -> None:
    settings = yaml.safe_load((ROOT / "examples/direct.yaml").read_text())
    settings["spec"]["settings"]["direct"]["host"] = "https://registry.example.com"
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    shown = registry_plan("plan", path, "--facts", CLUSTER, code=1)
    assert "Nothing changes." in shown
    assert "direct.host: must not carry a scheme" in shown
