"""The NodeGroupConfiguration, rendered by the real Helm: what it is, and that no data of a user can break it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.node.sandbox import CA, OTHER_CA, REPOSITORY, UPSTREAM, VERSION, route_conf

TEMPLATE = "templates/node-group-configuration.yaml"
FILES = [{"name": "ca/gateway.crt", "content": CA}, {"name": "ca/upstream-1.crt", "content": OTHER_CA}]


def render(folder: Path, route: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """`helm template` of the one file."""
    values = folder / "values.json"
    values.write_text(json.dumps({"registry": {"internal": {"nodeRoute": route, "facts": {}}, "registry": {}}}))
    helm = str(REPOSITORY / "tools/bin/helm")
    command = [helm, "template", "registry", str(REPOSITORY), "--show-only", TEMPLATE, "--values", str(values)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def node_route(*, action: str = "apply", files: list[dict[str, str]] | None = None, **changes: str) -> dict[str, Any]:
    """The values as the module's core makes them."""
    conf = route_conf(upstreams=[UPSTREAM]) if action == "apply" else f"version {VERSION}\naction remove\n"
    files = (FILES if files is None else files) if action == "apply" else []
    return {"version": VERSION, "action": action, "conf": conf, "files": files, **changes}


def rendered(folder: Path, route: dict[str, Any]) -> dict[str, Any]:
    """The object."""
    finished = render(folder, route)
    assert finished.returncode == 0, finished.stderr
    parsed: dict[str, Any] = yaml.safe_load(finished.stdout)
    return parsed


def here_documents(content: str) -> dict[str, str]:
    """File → text of each `route_keep` in a step."""
    found: dict[str, str] = {}
    name, lines = "", list[str]()
    for line in content.splitlines():
        if name and line == "REGISTRY_ROUTE_FILE":
            found[name], name, lines = "".join(f"{text}\n" for text in lines), "", list[str]()
        elif name:
            lines.append(line)
        elif line.startswith("route_keep $"):
            name = line.split()[1]
    return found


@pytest.mark.parametrize("action", ["apply", "remove"])
def test_the_object_is_one_step_for_every_node_before_containerd_is_configured(tmp_path: Path, action: str) -> None:
    item = rendered(tmp_path, node_route(action=action))
    content = item["spec"].pop("content")
    assert item["metadata"].pop("labels").items() >= {"heritage": "deckhouse", "module": "registry"}.items()
    assert item == {
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": "NodeGroupConfiguration",
        "metadata": {"name": "registry-route.sh"},
        "spec": {"weight": 31, "nodeGroups": ["*"], "bundles": ["*"]},
    }
    assert content.splitlines()[0] == f"# registry-route: {action}, version {VERSION}"


def test_the_step_carries_every_file_word_for_word(tmp_path: Path) -> None:
    files = here_documents(rendered(tmp_path, node_route())["spec"]["content"])
    parts = [path.read_text() for path in sorted((REPOSITORY / "node/lib").iterdir())]
    script = ["#!/usr/bin/env bash\n", *parts, (REPOSITORY / "node/registry-route").read_text()]
    assert files == {
        "$route_dir/ca/gateway.crt": CA,
        "$route_dir/ca/upstream-1.crt": OTHER_CA,
        "$route_dir/registry-route": "".join(script),
        "$route_units/registry-route.service": (REPOSITORY / "node/registry-route.service").read_text(),
        "$route_units/registry-route.timer": (REPOSITORY / "node/registry-route.timer").read_text(),
        "$route_dir/route.conf": route_conf(upstreams=[UPSTREAM]),
    }


@pytest.mark.parametrize("action", ["apply", "remove"])
def test_the_step_and_the_script_in_it_pass_shellcheck(tmp_path: Path, action: str) -> None:
    content = rendered(tmp_path, node_route(action=action))["spec"]["content"]
    texts = {"step": "#!/usr/bin/env bash\n" + content, **here_documents(content)}
    for name, text in texts.items():
        if name == "step" or name.endswith("/registry-route"):
            # SC1091: the parts are not beside the file on a node. SC2317, SC2329: a step calls one of two ends.
            command = ["shellcheck", "--exclude=SC1091,SC2317,SC2329", "-"]
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{name}: {done.stdout}"


@pytest.mark.parametrize("action", ["apply", "remove"])
def test_no_template_braces_reach_bashible(tmp_path: Path, action: str) -> None:
    content = rendered(tmp_path, node_route(action=action))["spec"]["content"]
    assert "{{" not in content
    assert "}}" not in content


def test_nothing_is_rendered_while_nodes_are_left_alone(tmp_path: Path) -> None:
    finished = render(tmp_path, {})
    assert finished.stdout == ""


@pytest.mark.parametrize(
    "words",
    ["{{ .Values.x }}", "}}", "REGISTRY_ROUTE_FILE\nreboot", "subject=Ünïcode \x07\r", "-----BEGIN PRIVATE KEY-----"],
    ids=["a template", "braces", "the terminator", "control characters", "a key"],
)
def test_what_people_write_around_a_certificate_does_not_reach_the_node(tmp_path: Path, words: str) -> None:
    files = [{"name": "ca/gateway.crt", "content": f"{words}\n{CA}{words}\n{OTHER_CA}"}]
    content = rendered(tmp_path, node_route(files=files))["spec"]["content"]
    assert here_documents(content)["$route_dir/ca/gateway.crt"] == CA + OTHER_CA


def test_certificates_with_carriage_returns_arrive_without(tmp_path: Path) -> None:
    files = [{"name": "ca/gateway.crt", "content": CA.replace("\n", "\r\n")}]
    content = rendered(tmp_path, node_route(files=files))["spec"]["content"]
    assert here_documents(content)["$route_dir/ca/gateway.crt"] == CA


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conf": "alias {{ .x }}\n"}, "template braces"),
        ({"conf": "alias a}}\n"}, "template braces"),
        ({"conf": "alias a\nREGISTRY_ROUTE_FILE\nreboot\n"}, "holds the line that ends it"),
        ({"files": [{"name": "ca/../../etc/passwd.crt", "content": CA}]}, "unexpected name"),
        ({"files": [{"name": "registry-route", "content": CA}]}, "unexpected name"),
    ],
    ids=["a template", "closing braces", "the terminator", "a climbing name", "a foreign name"],
)
def test_data_that_could_become_code_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    finished = render(tmp_path, {**node_route(), **changes})
    assert finished.returncode != 0
    assert words in finished.stderr
