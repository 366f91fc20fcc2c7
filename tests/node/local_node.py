"""A node on this machine: a mount namespace in which /etc, /opt, /var and /run are its own. The network is shared."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SETUP = """
set -eu
for top in etc opt var; do
  mkdir -p "$1/upper/$top" "$1/scratch/$top"
  mount -t overlay node -o "lowerdir=/$top,upperdir=$1/upper/$top,workdir=$1/scratch/$top" "/$top"
done
mkdir -p "$1/run" "$1/containerd" /var/lib/containerd
mount --bind "$1/run" /run
mount --bind "$1/containerd" /var/lib/containerd # snapshots cannot lie on an overlay
echo up
exec sleep infinity
"""
PATH = "/opt/deckhouse/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LocalNode:
    """The node `name`; what it changes below /etc, /opt and /var is in `folder`/upper, what was there is kept."""

    def __init__(self, name: str, folder: Path, pid: int) -> None:
        self.name, self.folder, self.pid = name, folder, pid

    @property
    def enter(self) -> list[str]:
        """What to put before a command so that it runs on the node."""
        return ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", "--wdns=/", "--"]

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # named as in subprocess.run
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the node. With `check`, raises RuntimeError with its words when it fails."""
        done = subprocess.run(
            [*self.enter, *argv],
            env={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", **(env or {})},
            input=input,
            stdin=None if input is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def write(self, path: str, text: str, *, mode: str = "0644") -> None:
        """Write a file of the node, with its folder."""
        self.run(["install", "-D", "-m", mode, "/dev/stdin", path], input=text)

    def read(self, path: str) -> str:
        """The text of a file of the node."""
        return self.run(["cat", path]).stdout

    def exists(self, path: str) -> bool:
        """Whether the node has this file or folder."""
        return self.run(["test", "-e", path], check=False).returncode == 0

    def link(self, name: str, program: Path) -> None:
        """Put a program of this machine on the node's PATH, before all others."""
        self.run(["mkdir", "-p", "/opt/deckhouse/bin"])
        self.run(["ln", "-sfn", str(program.resolve()), f"/opt/deckhouse/bin/{name}"])


@contextmanager
def local_node(name: str, folder: Path) -> Iterator[LocalNode]:
    """A node until the block ends; nothing of it stays but `folder`. Needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "--", "bash", "-c", SETUP, "setup", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert holder.stdout is not None
    try:
        if (said := holder.stdout.readline().strip()) != "up":
            raise RuntimeError(f"the node did not start: {said}{holder.stdout.read()}")
        yield LocalNode(name, folder, holder.pid)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
