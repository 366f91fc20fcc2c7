"""Which pods still name the virtual address: what must be gone before the route may go."""

from __future__ import annotations

from typing import Any, Iterable

from . import names


def collect(rows: Iterable[Any]) -> dict[str, Any]:
    """The `internal.facts.pods` subtree.

    :param rows: "namespace/name" of each pod that references the virtual address; other pods give null
    """
    users = sorted(row for row in rows if isinstance(row, str) and row)
    return {"count": len(users), "names": users[: names.MAX_NAMES]}
