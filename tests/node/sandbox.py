"""A node in a folder: registry-route runs with every path prefixed, and with stubs where a real part cannot run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.support.certs import issue_node, make_ca

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "node" / "registry-route"
STUBS = Path(__file__).parent / "stubs"
HOST = "registry.d8-system.svc:5001"
DIGEST = "sha256:" + "ab" * 32
CANARY = f"{HOST}/system/deckhouse@{DIGEST}"
WORKER_CANARY = f"{HOST}/system/deckhouse/worker@{DIGEST}"
GATEWAYS = ("198.51.100.11:5001", "198.51.100.12:5001")
VERSION = "0123456789abcdef"
UPSTREAM = "upstream https registry.example.com deckhouse/ee ca/upstream-1.crt"

AUTHORITY = make_ca("sandbox")
CA = AUTHORITY.cert
OTHER_CA = make_ca("another").cert

DUMPS = {  # what `containerd config dump` prints, as far as it matters, by method
    "v1": '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "{path}"\n',
    "v2": "[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = '{path}'\n",
}


def route_conf(
    *,
    version: str = VERSION,
    action: str = "apply",
    gateways: Sequence[str] = GATEWAYS,
    upstreams: Sequence[str] = (),
    canary: bool = True,
    first: str = "",
) -> str:
    """A route.conf as the module writes it."""
    lines = [f"version {version}", f"action {action}", f"host {HOST}", "alias system/deckhouse"]
    if canary:
        lines += [f"canary control-plane {CANARY}", f"canary worker {WORKER_CANARY}"]
    lines += [f"first {first}"] if first else []
    lines += upstreams
    lines += [f"gateway {gateway}" for gateway in gateways]
    return "".join(f"{line}\n" for line in lines)


class Sandbox:
    """The node `name` below `folder`; `world` is what the stubs read."""

    def __init__(self, folder: Path, *, name: str = "worker-1") -> None:
        self.root, self.world = folder / "node", folder / "world"
        self.world.mkdir(parents=True)
        for stub in STUBS.iterdir():
            self.write(f"/opt/deckhouse/bin/{stub.name}", stub.read_text(), mode=0o755)
        self.write("/var/lib/registry-route/node-name", f"{name}\n")
        self.write("/var/lib/registry-route/ca/gateway.crt", CA)
        self.write("/etc/kubernetes/kubelet.conf", "kind: Config\n")
        self.kubelet_certificate(issue_node(AUTHORITY, name).cert + issue_node(AUTHORITY, name).key)
        self.labels()
        self.containerd()
        self.alive(*GATEWAYS)
        (self.world / "served").touch()

    @cached_property
    def folder(self) -> Path:
        """registry-route's own folder."""
        return self.path("/var/lib/registry-route")

    @cached_property
    def hosts(self) -> Path:
        """The folder of the virtual host below registry.d."""
        return self.path(f"/etc/containerd/registry.d/{HOST}")

    def path(self, absolute: str) -> Path:
        """Where the node's `absolute` path is on this machine."""
        return self.root / absolute.lstrip("/")

    def write(self, absolute: str, text: str, *, mode: int = 0o644) -> Path:
        """Write a file of the node."""
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def conf(self, text: str, **files: str) -> None:
        """Put route.conf in place, and `ca/<name>.crt` for each of `files` (underscores become dashes)."""
        for name, content in files.items():
            self.write(f"/var/lib/registry-route/ca/{name.replace('_', '-')}.crt", content)
        self.write("/var/lib/registry-route/route.conf", text)

    def containerd(
        self, version: str = "1.7.30", *, rewrites: bool = False, path: str | None = None, dump: str = "v1"
    ) -> None:
        """Which containerd the node has; `path` is its config_path, by default the one of the platform."""
        where = str(self.path("/etc/containerd/registry.d")) if path is None else path
        (self.world / "version").write_text(version)
        (self.world / "dump").write_text(DUMPS[dump].format(path=where))
        self.write("/etc/containerd/config.toml", "# stands for what the stub dumps\n")
        self.switch("rewrites", on=rewrites)

    def kubelet_certificate(self, text: str) -> None:
        """Put the kubelet's client certificate and key in place; an empty text removes the file."""
        path = self.write("/var/lib/kubelet/pki/kubelet-client-current.pem", text)
        if not text:
            path.unlink()

    def labels(self, *names: str) -> None:
        """The labels of the Node object."""
        (self.world / "labels").write_text(json.dumps(dict.fromkeys(names, ""), separators=(",", ":")))

    def alive(self, *endpoints: str) -> None:
        """Which endpoints answer: HOST:PORT of a gateway, or a URL."""
        urls = [endpoint if "://" in endpoint else f"https://{endpoint}" for endpoint in endpoints]
        (self.world / "alive").write_text("".join(f"{url}/v2/\n" for url in urls))

    def switch(self, name: str, *, on: bool) -> None:
        """Set or clear one of the stubs' flags: rewrites, served, api-away."""
        if on:
            (self.world / name).touch()
        else:
            (self.world / name).unlink(missing_ok=True)

    def run(self, command: str, *, expect: int = 0, without: Sequence[str] = ()) -> str:
        """`registry-route COMMAND`; asserts the exit code and returns what it wrote.

        `without` names commands that this node does not have.
        """
        for name in without:
            self.path(f"/opt/deckhouse/bin/{name}").unlink(missing_ok=True)
        environment = {"PATH": self._path(without), "WORLD": str(self.world), "REGISTRY_ROUTE_ROOT": str(self.root)}
        done = subprocess.run(
            ["/bin/bash", str(SCRIPT), command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expect, done.stdout
        return done.stdout

    def calls(self, program: str) -> list[str]:
        """The calls of a stub since the last time, without its name."""
        path = self.world / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text("".join(f"{line}\n" for line in lines if not line.startswith(f"{program} ")))
        return [line.removeprefix(f"{program} ") for line in lines if line.startswith(f"{program} ")]

    def annotation(self, name: str) -> str | None:
        """`registry.deckhouse.io/<name>` of the Node, or None."""
        path = self.world / "annotations" / f"registry.deckhouse.io_{name}"
        return path.read_text() if path.exists() else None

    def report(self) -> dict[str, Any]:
        """The Node's route-report."""
        text = self.annotation("route-report")
        assert text is not None
        assert "\n" not in text
        parsed: dict[str, Any] = json.loads(text)
        return parsed

    def tree(self, below: str) -> dict[str, str]:
        """Every file below a folder of the node: relative path → text, with the prefix of the node taken out.

        Left out is the platform's own config.toml, which the stub of containerd does not even read.
        """
        folder = self.path(below)
        return {
            str(path.relative_to(folder)): path.read_text().replace(str(self.root), "")
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != "config.toml"
        }

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Path → (inode, mtime) of everything on the node: equal before and after means nothing was written."""
        return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(self.root.rglob("*"))}

    def _path(self, without: Sequence[str]) -> str:
        """The machine's own commands; with `without`, a folder of links to all but those."""
        real = os.environ["PATH"]
        if not without:
            return real
        folder = self.world / "path"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for directory in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
            for command in Path(directory).iterdir():
                if command.name not in without and not (folder / command.name).exists():
                    (folder / command.name).symlink_to(command)
        return str(folder)
