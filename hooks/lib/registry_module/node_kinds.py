"""Which kinds of node there are, by what their containerd does with a route: it decides what the files look like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable

from . import names
from .node_facts import parse_report

REWRITE = "rewrites"
"""hosts.toml; asks the registry itself, under the registry's own names."""
STOCK = "stock"
"""hosts.toml; asks gateways only."""
LEGACY = "legacy"
"""containerd 1.x without config_path: mirrors in conf.d; each change restarts containerd."""
UNASKED = "unasked"
"""containerd from 2.0 on that has no route yet: REWRITE or STOCK, which the node finds out by asking it."""
UNASKED_V1 = "unasked-v1"
"""containerd 1.x that has no route yet: any of the three."""
OTHER = "other"
"""Another runtime."""

FILES_LIKE = {
    REWRITE: (REWRITE,),
    STOCK: (STOCK,),
    LEGACY: (LEGACY,),
    UNASKED: (REWRITE, STOCK),
    UNASKED_V1: (REWRITE, STOCK, LEGACY),
    OTHER: (),
}
_CONTAINERD = re.compile(r"containerd://v?(\d+)\.")


@dataclass(frozen=True)
class Kind:
    """Nodes of one kind: how many, and at most ten names."""

    name: str
    count: int
    nodes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.name, "count": self.count, "nodes": list(self.nodes)}


def kind_of(row: dict[str, Any]) -> str:
    """The kind of one node.

    :param row: filter result of hook discover_nodes
    """
    found = _CONTAINERD.match(str(row.get("runtime") or ""))
    report = parse_report(row.get("report"))
    if not found:
        return OTHER
    if report.get("rewrite") is True:
        return REWRITE
    if int(found.group(1)) >= 2:
        return STOCK if report else UNASKED
    if not report:
        return UNASKED_V1
    return STOCK if report.get("configPath") is True else LEGACY


def collect(rows: Iterable[dict[str, Any]]) -> tuple[Kind, ...]:
    """All kinds that there are, in a fixed order."""
    by_kind: dict[str, list[str]] = {}
    for row in rows:
        by_kind.setdefault(kind_of(row), []).append(str(row.get("name")))
    return tuple(
        Kind(kind, len(by_kind[kind]), tuple(sorted(by_kind[kind])[: names.MAX_NAMES]))
        for kind in FILES_LIKE
        if kind in by_kind
    )
