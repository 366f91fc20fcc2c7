"""What the files of containerd look like on each kind of node, before and after: written by the node script's own
functions, so that nothing is told twice.
"""

from __future__ import annotations

import difflib
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lib.registry_module import names, node_kinds

from . import ROOT
from .errors import PlanError

SCRIPT = ROOT / "tools/plan/node_files.sh"
HOSTS = f"/etc/containerd/registry.d/{names.VIRTUAL_HOST}/hosts.toml"
LIKES = (node_kinds.REWRITE, node_kinds.STOCK, node_kinds.LEGACY)
LEGACY = "/etc/containerd/conf.d/registry-route.toml"


@dataclass(frozen=True)
class FileChange:
    """One change of one file, on nodes of one kind. `diff`: lines of a unified diff."""

    kind: str
    file: str
    diff: tuple[str, ...]

    @property
    def restarts_containerd(self) -> bool:
        """Mirrors are read when containerd starts, hosts.toml at each pull."""
        return self.kind == node_kinds.LEGACY

    def to_dict(self) -> dict[str, Any]:
        data = {"kind": self.kind, "file": self.file, "restartsContainerd": self.restarts_containerd}
        return {**data, "diff": list(self.diff)}


def changes(routes: Sequence[dict[str, Any]], kinds: Sequence[node_kinds.Kind]) -> list[list[FileChange]]:
    """For each step from one route to the next: the changes on all kinds of node that there may be.

    :param routes: `internal.nodeRoute` subtrees in the order in which nodes get them
    """
    wanted = {like: kind.nodes[0] for kind in kinds for like in node_kinds.FILES_LIKE[kind.name]}
    texts = [{like: _render(route, like, wanted[like]) for like in LIKES if like in wanted} for route in routes]
    return [_between(before, after) for before, after in pairwise(texts)]


def _between(before: dict[str, str], after: dict[str, str]) -> list[FileChange]:
    found = []
    for like, text in after.items():
        if text != before[like]:
            file = LEGACY if like == node_kinds.LEGACY else HOSTS
            name = Path(file).name
            lines = difflib.unified_diff(before[like].splitlines(), text.splitlines(), name, name, lineterm="", n=1)
            found.append(FileChange(like, file, tuple(line for line in lines if not line.startswith("@@"))))
    return found


def _render(route: dict[str, Any], like: str, node: str) -> str:
    """The file's text; "" where there is none."""
    if not route:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "ca").mkdir()
        for file in route["files"]:
            Path(folder, file["name"]).write_text(file["content"], encoding="ascii")
        Path(folder, "route.conf").write_text(route["conf"], encoding="ascii")
        command = ["bash", str(SCRIPT), like, folder, node]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise PlanError(f"a node would refuse its route: {done.stderr.strip()[:300]}")
    return done.stdout
