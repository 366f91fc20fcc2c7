"""The bashible step in a real bash, as bashible runs it: whatever fails on the node, the step itself does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.registry_module.node_rank import rank
from tests.node.local_node import LocalNode, local_node
from tests.node.runtimes import V1, V1_REGISTRY
from tests.node.sandbox import CA, OTHER_CA, REPOSITORY, UPSTREAM, VERSION, route_conf
from tests.node.test_template import rendered

pytestmark = pytest.mark.root

STAND_INS = REPOSITORY / "tests/platform/bashible"
OURS, UNITS, HOSTS = "/var/lib/registry-route", "/etc/systemd/system", "/etc/containerd/registry.d"
NEW = "f" * 16


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LocalNode]:
    """A node with containerd's configuration and bashible's helpers; nothing runs on it."""
    with local_node("n1", tmp_path / "node") as made:
        made.write("/etc/containerd/config.toml", V1 + V1_REGISTRY)
        made.write("/var/lib/bashible/bb.sh", (STAND_INS / "bb.sh").read_text())
        made.write("/var/lib/bashible/discovered-node-name", "n1\n")
        made.write("/opt/deckhouse/bin/systemctl", (STAND_INS / "systemctl").read_text(), mode="0755")
        made.run(["mkdir", "-p", OURS, UNITS])
        yield made


def step(
    node: LocalNode,
    folder: Path,
    *,
    action: str = "apply",
    version: str = VERSION,
    ca: str = CA,
    wave: dict[str, Any] | None = None,
) -> list[str]:
    """Run the rendered step; asserts that it ends well and returns its warnings."""
    apply = action == "apply"
    upstream = UPSTREAM if version == VERSION else UPSTREAM.replace("example.com", "example.org")
    conf = route_conf(version=version, upstreams=[upstream], gateways=["127.0.0.1:1"], canary=False)
    names = ("ca/gateway.crt", "ca/upstream-1.crt") if apply else ()
    values = {
        "version": version,
        "action": action,
        "conf": conf if apply else f"version {version}\naction remove\n",
        "files": [{"name": name, "content": ca} for name in names],
        **({"wave": wave} if wave else {}),
    }
    node.write("/var/lib/bashible/step", rendered(folder, values)["spec"]["content"])
    command = "source /var/lib/bashible/bb.sh; source /var/lib/bashible/step"
    done = node.run(["bash", "-eEo", "pipefail", "-c", command], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.removeprefix("WARNING ") for line in done.stdout.splitlines() if line.startswith("WARNING ")]


def files(node: LocalNode) -> dict[str, str]:
    """Every file of ours that the step is to keep: path → text."""
    command = ["find", OURS, UNITS, "-name", "state", "-prune", "-o", "-type", "f", "-print"]
    found = node.run(command, check=False).stdout.split()  # our folder may be gone
    ours = sorted(path for path in found if "registry-route" in path and not path.endswith(("/lock", "/filler")))
    return {path: node.read(path) for path in ours}


def break_systemctl(node: LocalNode) -> None:
    node.write("/opt/deckhouse/bin/systemctl", "#!/bin/bash\necho no bus >&2\nexit 1\n", mode="0755")


def test_a_good_run_says_nothing_and_leaves_no_half_made_file(node: LocalNode, tmp_path: Path) -> None:
    assert step(node, tmp_path) == []
    assert [path for path in files(node) if path.endswith(".new")] == []
    assert node.exists(f"{HOSTS}/registry.d8-system.svc:5001/hosts.toml")
    assert node.run(["systemctl", "is-active", "registry-route.timer"], check=False).returncode == 0


def test_a_systemctl_that_fails_is_told_and_the_route_is_there_all_the_same(node: LocalNode, tmp_path: Path) -> None:
    break_systemctl(node)
    assert step(node, tmp_path) == [
        "registry-route: systemctl daemon-reload failed; going on without",
        "registry-route: systemctl enable --now registry-route.timer failed; going on without",
    ]
    assert node.exists(f"{HOSTS}/registry.d8-system.svc:5001/hosts.toml")


def test_a_systemctl_that_fails_does_not_hold_up_the_removal(node: LocalNode, tmp_path: Path) -> None:
    step(node, tmp_path)
    break_systemctl(node)
    assert step(node, tmp_path, action="remove") == [
        "registry-route: systemctl disable --now registry-route.timer failed; going on without",
        "registry-route: systemctl daemon-reload failed; going on without",
    ]
    assert files(node) == {}
    assert not node.exists(OURS)
    assert not node.exists(f"{UNITS}/timers.target.wants/registry-route.timer")


def test_a_removal_touches_nothing_where_there_is_nothing_to_remove(node: LocalNode, tmp_path: Path) -> None:
    step(node, tmp_path)
    assert step(node, tmp_path, action="remove") == []
    places = ["/var/lib", UNITS, "/etc/containerd"]
    before = node.run(["stat", "-c", "%n %y", *places]).stdout
    assert step(node, tmp_path, action="remove") == []
    assert node.run(["stat", "-c", "%n %y", *places]).stdout == before
    assert not node.exists(OURS)


RANK = rank("n1")


@pytest.mark.parametrize(
    ("wave", "moves"),
    [
        ({"share": RANK + 1, "names": ["other"], "fresh": False}, True),
        ({"share": 0, "names": ["n0", "n1"], "fresh": False}, True),
        ({"share": RANK, "names": ["n", "n11", "n1.example"], "fresh": False}, False),
        ({"share": 0, "names": [], "fresh": True}, False),
    ],
    ids=["by rank", "by name", "not yet", "not fresh"],
)
def test_a_node_takes_a_new_route_with_its_wave_and_is_left_as_it_is_before(
    node: LocalNode, tmp_path: Path, wave: dict[str, Any], moves: bool
) -> None:
    step(node, tmp_path)
    everything = ["find", OURS, UNITS, "/etc/containerd", "-printf", "%p %s %T@ %m\n"]
    before = node.run(everything).stdout
    assert step(node, tmp_path, version=NEW, ca=OTHER_CA, wave=wave) == []
    if moves:
        assert f"version {NEW}" in files(node)[f"{OURS}/route.conf"]
    else:
        assert node.run(everything).stdout == before


@pytest.mark.parametrize("fresh", [True, False])
def test_a_node_without_a_route_takes_one_before_its_wave_only_where_it_may_be_needed(
    node: LocalNode, tmp_path: Path, fresh: bool
) -> None:
    assert step(node, tmp_path, wave={"share": 0, "names": ["other"], "fresh": fresh}) == []
    assert (f"{OURS}/route.conf" in files(node)) == fresh


def test_a_node_ranks_itself_as_the_switch_does(node: LocalNode) -> None:
    names = ["a", "n1", "worker-1.example.com", "x" * 63, *(f"w{number}" for number in range(40))]
    node.write("/step.sh", (REPOSITORY / "node/step.sh").read_text())
    script = """
        . /step.sh
        bb-log-info() { :; }
        bb-d8-node-name() { echo "$tested"; }
        for tested; do
          low=0 high=100
          while [ $low -lt $high ]; do
            middle=$(((low + high) / 2))
            if route_in_wave $((middle + 1)) -; then high=$middle; else low=$((middle + 1)); fi
          done
          echo $low
        done"""
    found = node.run(["bash", "-c", script, "ranks", *names]).stdout.split()
    assert [int(one) for one in found] == [rank(name) for name in names]


@pytest.mark.parametrize("place", [OURS, UNITS])
def test_on_a_read_only_folder_the_step_puts_nothing_in_place(node: LocalNode, tmp_path: Path, place: str) -> None:
    node.run(["mount", "-t", "tmpfs", "-o", "ro", "none", place])
    said = step(node, tmp_path)
    assert "the former route stays" in said[-1]
    assert files(node) == {}
    assert not node.exists(f"{HOSTS}/registry.d8-system.svc:5001")


@pytest.mark.parametrize("action", ["apply", "remove"])
def test_on_a_disk_that_became_read_only_the_former_route_stays_whole(
    node: LocalNode, tmp_path: Path, action: str
) -> None:
    step(node, tmp_path)
    before = files(node)
    node.run(["mount", "--bind", OURS, OURS])
    node.run(["mount", "-o", "remount,bind,ro", OURS])
    assert "the former route stays" in step(node, tmp_path, action=action, version=NEW, ca=OTHER_CA)[-1]
    assert files(node) == before


def test_on_a_full_disk_the_former_route_stays_whole_and_the_new_one_comes_when_there_is_room(
    node: LocalNode, tmp_path: Path
) -> None:
    node.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", OURS])
    step(node, tmp_path)
    before = files(node)
    node.run(["dd", "if=/dev/zero", f"of={OURS}/filler", "bs=4k"], check=False)
    said = step(node, tmp_path, version=NEW, ca=OTHER_CA)
    assert any(line.startswith("registry-route: this failed: printf") for line in said)
    assert "the former route stays" in said[-1]
    assert files(node) == before
    node.run(["rm", f"{OURS}/filler"])
    assert step(node, tmp_path, version=NEW, ca=OTHER_CA) == []
    after = files(node)
    assert f"version {NEW}" in after[f"{OURS}/route.conf"]
    assert after[f"{OURS}/ca/upstream-1.crt"] == OTHER_CA


def test_a_warning_holds_no_text_of_a_file(node: LocalNode, tmp_path: Path) -> None:
    node.run(["mount", "-t", "tmpfs", "-o", "ro", "none", OURS])
    said = "\n".join(step(node, tmp_path))
    assert "CERTIFICATE" not in said
    assert len(said) < 4096
