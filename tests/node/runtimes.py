"""Real containerds on a local node: which binaries, which configuration."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.node.local_node import LocalNode
from tests.node.sandbox import REPOSITORY

TOOLS = REPOSITORY / "tools/bin"
SOCKET = "/run/containerd/containerd.sock"
START_DEADLINE = 30.0  # seconds

V1 = """version = 2
[plugins."io.containerd.grpc.v1.cri"]
  disable_tcp_service = true
  restrict_oom_score_adj = true
"""
V1_REGISTRY = """  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/registry.d"
"""
V2 = """version = 3
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "/etc/containerd/registry.d"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
"""


@dataclass(frozen=True)
class Runtime:
    """A containerd of the matrix."""

    name: str
    containerd: Path
    ctr: Path
    config: str
    rewrites: bool = False
    legacy: bool = False

    @property
    def missing(self) -> str:
        """Why it cannot run here, or nothing."""
        absent = [str(path) for path in (self.containerd, self.ctr, TOOLS / "crictl") if not path.exists()]
        return f"not built: {', '.join(absent)}; run tools/build and tools/apt" if absent else ""


DEBIAN = Path("/usr/bin")
RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime("debian-1.6", DEBIAN / "containerd", DEBIAN / "ctr", V1 + V1_REGISTRY),
        Runtime("debian-1.6-legacy", DEBIAN / "containerd", DEBIAN / "ctr", V1, legacy=True),
        Runtime("stock-2.1", TOOLS / "containerd", TOOLS / "ctr", V2),
        Runtime("rewrite-2.1", TOOLS / "containerd-rewrite", TOOLS / "ctr-rewrite", V2, rewrites=True),
    )
}


class Daemon:
    """containerd on a node; a restart reads its configuration again."""

    def __init__(self, node: LocalNode, runtime: Runtime) -> None:
        self.node, self.runtime = node, runtime
        self._process: subprocess.Popen[bytes] | None = None
        for name, program in (("containerd", runtime.containerd), ("ctr", runtime.ctr), ("crictl", TOOLS / "crictl")):
            node.link(name, program)
        node.write("/etc/containerd/config.toml", runtime.config)
        if runtime.legacy:
            node.write("/etc/containerd/deckhouse.toml", runtime.config)

    def start(self) -> None:
        """Returns when it answers. Raises RuntimeError with the end of its log."""
        log = self.node.folder / "containerd.log"
        self.node.run(["rm", "-f", SOCKET])
        with log.open("ab") as output:
            self._process = subprocess.Popen([*self.node.enter, "containerd"], stdout=output, stderr=output, env=_ENV)
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.node.run(["crictl", "images"], check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("containerd did not start:\n" + log.read_text(errors="replace")[-2000:])

    def stop(self) -> None:
        """SIGTERM, as systemd does."""
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def restart(self) -> None:
        """As bashible does for the flag."""
        self.stop()
        self.start()

    def forget(self) -> None:
        """Remove every image with its content, so that the next pull fetches all of it."""
        names = self.node.run(["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"]).stdout.split()
        if names:
            self.node.run(["ctr", "--namespace", "k8s.io", "images", "remove", "--sync", *names])

    def pull(self, image: str) -> subprocess.CompletedProcess[str]:
        """A pull as kubelet asks for it, without a secret; the caller looks at the code."""
        return self.node.run(["crictl", "--timeout", "60s", "pull", image], check=False, timeout=90)


_ENV = {"PATH": f"/opt/deckhouse/bin:{DEBIAN}:/usr/sbin:/bin:/sbin", "HOME": "/root"}


@contextmanager
def daemon(node: LocalNode, runtime: Runtime) -> Iterator[Daemon]:
    """`runtime` on `node`, running, until the block ends."""
    running = Daemon(node, runtime)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(node.folder / "containerd", ignore_errors=True)
