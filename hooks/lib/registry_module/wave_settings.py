"""`nodes.waves`: the shares of the nodes that get a new route one after another."""

from __future__ import annotations

from typing import Any

from .node_rank import BUCKET
from .upstream_settings import FieldError

DEFAULT = (10, 50)
MOST = 8
"""Each costs the nodes a run of bashible."""


def parse(nodes: Any, errors: list[FieldError]) -> tuple[int, ...]:
    """Percentages, growing; none: all nodes at once. Problems are appended to `errors`.

    :param nodes: section `nodes` of the settings
    """
    if nodes is None:
        return DEFAULT
    if not isinstance(nodes, dict):
        errors.append(FieldError("nodes", "must be an object"))
        return DEFAULT
    shares = nodes.get("waves")
    if shares is None:
        return DEFAULT
    if not isinstance(shares, list) or len(shares) > MOST or not all(map(_is_share, shares)):
        errors.append(
            FieldError("nodes.waves", f"must be a list of at most {MOST} percentages from {BUCKET} to 95 in steps of 5")
        )
        return DEFAULT
    if sorted(set(shares)) != shares:
        errors.append(FieldError("nodes.waves", "must grow from one percentage to the next, for example [10, 50]"))
        return DEFAULT
    return tuple(shares)


def _is_share(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 100 and value % BUCKET == 0
