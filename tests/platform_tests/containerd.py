"""One containerd in a folder of its own, without a node around it: enough to pull, not to run."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).parents[2] / "tools" / "bin"
START_DEADLINE = 20.0  # seconds

CONFIG = """\
version = 3
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "{folder}/hosts"
[plugins.'io.containerd.transfer.v1.local']
  config_path = "{folder}/hosts"
[plugins.'io.containerd.cri.v1.runtime'.cni]
  conf_dirs = ["{folder}/cni"]
[plugins.'io.containerd.internal.v1.opt']
  path = "{folder}/opt"
"""


@dataclass(frozen=True)
class Containerd:
    """A running daemon; hosts.toml files are read from `hosts` at each pull."""

    folder: Path
    hosts: Path
    ctr: Path

    def write_hosts(self, host: str, text: str) -> None:
        """Put the hosts.toml of `host` in place."""
        directory = self.hosts / host
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "hosts.toml").write_text(text)

    def forget(self) -> None:
        """Remove every image and its content, so that the next pull fetches all of it."""
        for namespace in ("default", "k8s.io"):
            images = [str(self.ctr), "--address", f"{self.folder}/containerd.sock", "--namespace", namespace, "images"]
            names = subprocess.run([*images, "list", "--quiet"], capture_output=True, text=True, check=True)
            if names.stdout:
                subprocess.run([*images, "remove", "--sync", *names.stdout.split()], capture_output=True, check=True)

    def pull(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`ctr images pull ARGUMENTS`; the caller looks at the exit code."""
        command = [str(self.ctr), "--address", f"{self.folder}/containerd.sock", "images", "pull", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def cri_pull(self, reference: str, *, credentials: str = "") -> subprocess.CompletedProcess[str]:
        """A pull as kubelet asks for it; `credentials` (user:password) stand for the pull secret."""
        socket = f"unix://{self.folder}/containerd.sock"
        command = [str(TOOLS / "crictl"), "--image-endpoint", socket, "--runtime-endpoint", socket, "pull"]
        secret = ["--creds", credentials] if credentials else []
        return subprocess.run([*command, *secret, reference], capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def containerd(folder: Path, *, binary: str = "containerd", ctr: str = "ctr") -> Iterator[Containerd]:
    """Run `binary` of tools/bin until the block ends.

    Raises RuntimeError with the tail of its log when its socket does not answer within START_DEADLINE.
    """
    for name in ("hosts", "cni"):
        (folder / name).mkdir(parents=True)
    config, log = folder / "config.toml", folder / "containerd.log"
    config.write_text(CONFIG.format(folder=folder))
    path = f"{TOOLS}:{os.environ['PATH']}"
    with log.open("wb") as output:
        command = [str(TOOLS / binary), "--config", str(config), "--log-level", "debug"]
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "PATH": path})
    daemon = Containerd(folder, folder / "hosts", TOOLS / ctr)
    try:
        _wait(process, [str(daemon.ctr), "--address", f"{folder}/containerd.sock", "version"], log)
        yield daemon
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], probe: Sequence[str], log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError("containerd did not start:\n" + log.read_text(errors="replace")[-2000:])
