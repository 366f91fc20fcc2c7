"""Which steps a node gets, and what the platform's merge of containerd's configuration makes."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.platform.bashible import containerd_config, render


def configuration(name: str, content: str = "true\n", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"nodeGroups": ["*"], "bundles": ["*"], "content": content, **spec}}


def test_file_names_carry_the_weight_so_that_they_sort() -> None:
    bundle = render([configuration("b.sh", weight=31), configuration("a.sh")], group="worker")
    assert sorted(bundle.steps) == ["031_b.sh", "100_a.sh"]


@pytest.mark.parametrize(("groups", "meant"), [(["*"], True), (["worker"], True), (["master", "edge"], False)])
def test_only_configurations_of_the_group_count(groups: list[str], meant: bool) -> None:
    assert bool(render([configuration("a.sh", nodeGroups=groups)], group="worker").steps) is meant


@pytest.mark.parametrize("braces", ["{{ .cri }}", "{{", "}}"])
def test_one_that_does_not_render_takes_all_others_of_the_group_along(braces: str) -> None:
    bundle = render([configuration("good.sh"), configuration("bad.sh", f"echo {braces}\n")], group="worker")
    assert bundle.steps == {}
    assert "bad.sh" in bundle.error


def test_one_of_another_group_that_does_not_render_does_no_harm() -> None:
    bad = configuration("bad.sh", "{{", nodeGroups=["master"])
    assert list(render([bad, configuration("good.sh")], group="worker").steps) == ["100_good.sh"]


def test_a_configuration_of_some_systems_is_guarded() -> None:
    bundle = render([configuration("a.sh", "echo hi", bundles=["debian", "ubuntu"])], group="worker")
    assert bundle.steps["100_a.sh"] == "case $(bb-is-bundle) in\ndebian|ubuntu)\necho hi\n;;\nesac\n"


def test_the_checksum_follows_every_byte() -> None:
    one, two = (render([configuration("a.sh", text)], group="worker").checksum for text in ("echo 1", "echo 2"))
    assert one != two
    assert one == render([configuration("a.sh", "echo 1")], group="worker").checksum


def test_merging_keeps_what_stands_beside_a_deeper_table() -> None:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    base = f'version = 2\nimports = []\n[{cri}]\nsandbox_image = "pause"\nmax = 3\non = true\n'
    ours = f'version = 2\n[{cri}.registry.mirrors."a:5001"]\nendpoint = ["https://a", "https://b"]\n'
    merged = tomllib.loads(containerd_config.merge([base, ours]))
    registry = {"mirrors": {"a:5001": {"endpoint": ["https://a", "https://b"]}}}
    plugin = {"sandbox_image": "pause", "max": 3, "on": True, "registry": registry}
    assert merged == {"version": 2, "imports": [], "plugins": {"io.containerd.grpc.v1.cri": plugin}}
