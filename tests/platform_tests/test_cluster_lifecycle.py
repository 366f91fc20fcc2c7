"""However a cluster ends, nothing of it stays on the machine but its logs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.platform.cluster import Cluster, ClusterError, NodeSpec, containerd, plan
from tests.platform.cluster.claim import WAIT_VARIABLE
from tests.platform.cluster.ownership import MARK, claim, in_use
from tests.platform.cluster.teardown import teardown
from tests.platform.cluster.waiting import wait_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="nodes are namespaces: needs root"),
]

ONE_NODE = (NodeSpec("w1", runtime="stock"),)
PROGRAM = """
import sys
from pathlib import Path
from tests.platform.cluster import Cluster, NodeSpec
with Cluster(Path(sys.argv[1]), nodes=[NodeSpec("w1")], say=lambda line: print(line, flush=True)):
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Traces:
    """What a cluster could leave on this machine."""

    processes: frozenset[str]
    links: str
    mounts: str
    rules: str
    forwarding: str
    cgroups: frozenset[Path]
    mark: bool


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a cluster; the test fails when the machine is not as it was before."""
    folder = tmp_path / "cluster"
    patience = float(os.environ.get(WAIT_VARIABLE, "0"))
    wait_for("nobody else's cluster is here", lambda: not in_use(), within=patience, every=1)
    before = _traces(folder)
    yield folder
    after = _traces(folder)
    if after != before:
        teardown(folder)
    assert after == before
    assert not folder.exists() or [entry.name for entry in folder.iterdir()] == ["logs"]


def test_a_cluster_that_was_stopped_leaves_only_logs(folder: Path) -> None:
    cluster = Cluster(folder, nodes=ONE_NODE).start()
    cluster.add_host("upstream")
    cluster.blackhole("w1")
    assert _traces(folder).processes
    cluster.stop()
    cluster.stop()


@pytest.mark.parametrize("moment", ["containerd", "kube-apiserver is ready", "registered", "Ready;"])
def test_ctrl_c_at_any_moment_leaves_only_logs(folder: Path, moment: str) -> None:
    with _running_until(moment, folder) as process:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert "stopped" in rest
    assert process.returncode not in (0, -signal.SIGKILL)


def test_down_removes_what_a_crash_left(folder: Path) -> None:
    _crash("registered", folder)
    assert _traces(folder).processes
    down = [sys.executable, "-m", "tests.platform.cluster", "down", "--dir", str(folder)]
    subprocess.run(down, cwd=plan.ROOT, check=True, timeout=60)


def test_down_needs_no_file_of_the_cluster(folder: Path) -> None:
    with _running_until("registered", folder):
        pass
    shutil.rmtree(folder, ignore_errors=True)  # its nodes still write to it
    teardown(folder)


def test_a_cluster_that_is_kept_stays_until_it_is_taken_down(folder: Path) -> None:
    cluster = Cluster(folder, nodes=ONE_NODE).start()
    cluster.keep()
    cluster.stop()
    assert cluster.server.node_ready("w1")
    with pytest.raises(ClusterError, match="already on this machine"):
        claim(folder.with_name("other"), kept=False)
    teardown(folder)


def test_a_cluster_that_is_kept_elsewhere_is_not_taken_down(folder: Path, tmp_path: Path) -> None:
    with Cluster(folder, nodes=ONE_NODE) as cluster:
        with pytest.raises(ClusterError, match=f"is kept in {folder}"):
            teardown(tmp_path / "other")
        assert cluster.server.node_ready("w1")


def test_the_next_cluster_removes_what_a_crash_left(folder: Path, tmp_path: Path) -> None:
    _crash("registered", folder)
    lines: list[str] = []
    with Cluster(tmp_path / "next", nodes=ONE_NODE, say=lines.append) as cluster:
        assert cluster.kubectl("get", "nodes", "-o", "name") == "node/w1\n"
    assert any(f"left behind in {folder}" in line for line in lines)


def test_a_part_that_does_not_start_is_named_with_the_end_of_its_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containerd, "config", "version = 17\n# {}".format)
    with pytest.raises(ClusterError, match=r"(?s)w1-containerd is not running.*17"):
        Cluster(folder, nodes=ONE_NODE).start()


def test_a_folder_that_machines_could_not_see_is_refused() -> None:
    with pytest.raises(ClusterError, match="cannot be kept in /var/lib/cluster"):
        Cluster(Path("/var/lib/cluster"), nodes=ONE_NODE).start()
    assert not Path("/var/lib/cluster").exists()


@contextmanager
def _running_until(moment: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A cluster in a process of its own that has just said `moment`; killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        cwd=plan.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout
        said = ""
        for line in process.stdout:
            said += line
            if moment in line:
                break
        else:
            raise AssertionError(f"never said {moment!r}:\n{said}")
        yield process
    finally:
        process.kill()
        process.communicate()


def _crash(moment: str, folder: Path) -> None:
    with _running_until(moment, folder):
        pass


def _traces(folder: Path) -> Traces:
    def shown(*argv: str) -> str:
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    links = [line.split()[0] for line in shown("ip", "-brief", "link").splitlines()]
    return Traces(
        processes=frozenset(_processes(folder)),
        links=" ".join(link for link in links if link.startswith("rg")),
        mounts="".join(line for line in Path("/proc/mounts").open() if str(folder) in line or "rg-" in line),
        rules=shown("iptables-save"),
        forwarding=Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        cgroups=frozenset(Path("/sys/fs/cgroup").glob(f"*/{plan.CGROUP_PREFIX}*")),
        mark=MARK.exists(),
    )


def _processes(folder: Path) -> Iterator[str]:
    """Processes that name the folder, or live in a machine's cgroup."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                groups = (entry / "cgroup").read_text()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue  # it ended while we looked
            # a zombie is gone already; what a killed test run left is buried by this machine's init when it likes
            if state != "Z" and (str(folder) in command or f"/{plan.CGROUP_PREFIX}" in groups):
                yield f"{entry.name} {command}"
