"""Commands of the pages: every one parses, and those that are typed in an emergency do what the page says."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lib.registry_module import names, platform_secret
from lib.registry_module.platform_secret import PlatformRegistry, docker_config
from lib.registry_module.state import State
from registry_gateway import cli
from tests.docs import pages
from tools.plan import __main__ as plan

FAQ, EXAMPLES = pages.DOCS / "FAQ.md", pages.DOCS / "EXAMPLES.md"
OLD = PlatformRegistry(
    "old.example.com:5000", "/deckhouse/ee", "https", "CA", docker_config("old.example.com:5000", "u", 'p"$(x)')
)
DIGEST = "@sha256:" + "a" * 64

# Stands for kubectl where only what is given to it matters: answers from files, keeps what it is told to write.
KUBECTL = """#!/bin/bash
case "$*" in
  *"get secret registry-state -o jsonpath={.data.state}") cat "$ANSWERS/state" ;;
  *"get deployment deckhouse -o json") cat "$ANSWERS/deployment" ;;
  *"get pods -A -o json") cat "$ANSWERS/pods" ;;
  *"get registry main -o json") cat "$ANSWERS/registry" ;;
  *"patch secret deckhouse-registry --type=merge --patch-file="*) last=${!#}; cat "${last#*=}" >"$ANSWERS/patched" ;;
  "replace -f -") cat >"$ANSWERS/replaced" ;;
  *) echo "unexpected: $*" >&2; exit 1 ;;
esac
"""


class Shell:
    """A bash in an empty folder, with a kubectl that answers from files."""

    def __init__(self, folder: Path) -> None:
        self.answers, self.work, binaries = folder / "answers", folder / "work", folder / "bin"
        for path in (self.answers, self.work, binaries):
            path.mkdir()
        (binaries / "kubectl").write_text(KUBECTL)
        (binaries / "kubectl").chmod(0o755)
        self.environment = {"PATH": f"{binaries}:/usr/bin:/bin", "ANSWERS": str(self.answers)}

    def answer(self, name: str, content: Any) -> None:
        (self.answers / name).write_text(content if isinstance(content, str) else json.dumps(content))

    def said(self, name: str) -> Any:
        return json.loads((self.answers / name).read_text())

    def run(self, script: str) -> str:
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=self.work, env=self.environment, capture_output=True, text=True, check=False, timeout=20
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def block(page: Path, words: str) -> str:
    """The one shell block that has these words."""
    [found] = [text for text in pages.code(page, "shell") if words in text]
    return found


def pod(name: str, *images: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name}, "spec": {"containers": [{"image": i} for i in images]}}


@pytest.mark.parametrize("page", [*pages.ENGLISH, *pages.ROOT_PAGES], ids=lambda path: path.name)
def test_every_shell_block_parses(page: Path) -> None:
    for script in pages.code(page, "shell"):
        assert subprocess.run(["bash", "-n", "-c", script], capture_output=True, check=False).stderr == b""


def test_commands_of_the_gateway_are_such_as_it_takes() -> None:
    text = "\n".join(pages.code(FAQ, "shell")).replace("\\\n", " ")
    asked = [line.partition("ds/registry-gateway -- ")[2].split() for line in text.splitlines()]
    commands = [words[1:] for words in asked if words[:1] == ["registry-gateway"]]
    assert {cli.parser().parse_args(command).command for command in commands} == {"check", "explain", "collect"}


def test_commands_of_registry_plan_are_such_as_it_takes() -> None:
    asked = [line.partition("-m tools.plan ")[2].split() for line in "\n".join(pages.code(FAQ, "shell")).splitlines()]
    commands = {plan.parser().parse_args(words).command for words in asked if words}
    assert commands == {"plan", "explain", "rollback"}


def test_repair_by_hand_restores_the_registry_from_before_the_switch(shell: Shell) -> None:
    state = State(salt="00", original=OLD, gateway=True).to_dict()
    shell.answer("state", base64.b64encode(json.dumps(state).encode()).decode())
    containers = [{"name": "deckhouse", "image": names.VIRTUAL_BASE + ":v1"}, {"name": "x", "image": "other.test/y:1"}]
    containers.append({"name": "init", "image": names.VIRTUAL_BASE + DIGEST})
    shell.answer("deployment", {"spec": {"containers": containers}})

    shown = shell.run(block(FAQ, "> registry-original.json"))
    assert shown == "old.example.com:5000/deckhouse/ee\n"
    shell.run(block(FAQ, "--patch-file"))
    shell.run(block(FAQ, "kubectl replace"))

    assert shell.said("patched") == platform_secret.patch(OLD)
    images = [container["image"] for container in shell.said("replaced")["spec"]["containers"]]
    assert images == [OLD.base + ":v1", "other.test/y:1", OLD.base + DIGEST]
    assert list(shell.work.iterdir()) == []


def test_repair_by_hand_keeps_its_files_to_oneself(shell: Shell) -> None:
    state = State(salt="00", original=OLD).to_dict()
    shell.answer("state", base64.b64encode(json.dumps(state).encode()).decode())
    shell.run(block(FAQ, "> registry-original.json"))
    assert {path.stat().st_mode & 0o777 for path in shell.work.iterdir()} == {0o600}


def test_pods_that_use_the_address_are_listed(shell: Shell) -> None:
    initial = pod("init", "other.test/a:1")
    initial["spec"]["initContainers"] = [{"image": names.VIRTUAL_BASE + DIGEST}]
    used = pod("used", "other.test/a:1", names.VIRTUAL_HOST + "/system/x:1")
    shell.answer("pods", {"items": [pod("free", "other.test/a:1", names.VIRTUAL_NAME + ":1/x"), used, initial]})
    assert shell.run(block(EXAMPLES, "startswith")) == "ns/used\nns/init\n"


def test_conditions_are_listed_one_a_line(shell: Shell) -> None:
    condition = {"type": "GatewayReady", "status": "False", "reason": "ConfigRefused", "message": "m1: routes[0].ca"}
    shell.answer("registry", {"status": {"conditions": [condition]}})
    command = block(FAQ, ".status.conditions[]").splitlines()[-1]
    assert shell.run(command) == "GatewayReady False ConfigRefused: m1: routes[0].ca\n"
