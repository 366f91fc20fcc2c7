"""`make review`: manifests for reviewers without a cluster, secrets masked unless asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PASSWORD = "password-for-review"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    document = yaml.safe_load((ROOT / "examples/direct.yaml").read_text())
    document["spec"]["settings"]["direct"]["password"] = PASSWORD
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def review(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.review", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def kinds(text: str) -> set[str]:
    return {item["kind"] for item in yaml.safe_load_all(text) if item and "kind" in item}


def test_first_step_shows_gateways_and_touches_no_node(config: Path) -> None:
    finished = review(config, "examples/cluster")
    assert finished.returncode == 0, finished.stderr
    assert "# stage GatewayReady" in finished.stderr
    assert {"DaemonSet", "Secret", "Service", "Registry", "RegistryReplica"} <= kinds(finished.stdout)
    assert "NodeGroupConfiguration" not in kinds(finished.stdout)


def test_end_of_the_switch_shows_the_node_configuration(config: Path) -> None:
    finished = review(config, "examples/cluster", "--until", "Ready")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.splitlines()[-1].startswith("# stage Ready: registry.d8-system.svc:5001/system/deckhouse")
    assert "NodeGroupConfiguration" in kinds(finished.stdout)
    assert "upstream https registry-a.test deckhouse/ee -" in finished.stdout


@pytest.mark.parametrize(
    ("example", "served_by"),
    [("proxy", "registry.example.com/deckhouse/ee (Proxy)"), ("local", "the gateways' own stores (Local)")],
)
def test_modes_with_a_store_end_with_gateways_alone_in_the_route(example: str, served_by: str) -> None:
    finished = review(f"examples/{example}.yaml", "examples/cluster", "--until", "Ready")
    assert finished.returncode == 0, finished.stderr
    assert served_by in finished.stderr.splitlines()[-1]
    assert "path: /mnt/registry" in finished.stdout
    assert re.findall(r"^ +upstream https?", finished.stdout, re.MULTILINE) == []


def test_patch_of_the_platform_secret_is_shown_at_its_stage(config: Path) -> None:
    finished = review(config, "examples/cluster", "--until", "PlatformSwitched")
    assert "# patch of Secret d8-system/deckhouse-registry" in finished.stdout


@pytest.mark.parametrize("stage", ["GatewayReady", "PlatformSwitched"])
def test_secrets_are_masked_unless_asked_for(config: Path, stage: str) -> None:
    hidden = review(config, "examples/cluster", "--until", stage)
    assert "masked" in hidden.stdout
    # The node script names the words alone, to refuse files that hold keys.
    assert not re.search("BEGIN [A-Z ]*PRIVATE KEY", hidden.stdout + hidden.stderr)
    for item in yaml.safe_load_all(hidden.stdout):
        assert all(str(value).startswith("<masked") for value in (item.get("data") or {}).values())
    assert "masked" not in review(config, "examples/cluster", "--until", stage, "--show-secrets").stdout


@pytest.mark.parametrize(("facts", "word"), [("docs", "kubectl get nodes -o yaml"), ("broken", "is not YAML")])
def test_unreadable_dump_is_a_clear_error(config: Path, tmp_path: Path, facts: str, word: str) -> None:
    folder = tmp_path / facts
    folder.mkdir()
    if facts == "broken":
        (folder / "nodes.yaml").write_text("{")
    finished = review(config, folder)
    assert finished.returncode == 2
    assert word in finished.stderr
