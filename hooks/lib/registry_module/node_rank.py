"""A node's place among all, by its name alone: the same on every run, here and on the node itself (node/step.sh)."""

from __future__ import annotations

import hashlib

BUCKET = 5
"""Percent of the nodes that one count of the facts covers."""
BUCKETS = 100 // BUCKET


def rank(name: str) -> int:
    """0 to 99, evenly spread.

    >>> rank("worker-1"), rank("worker-2")
    (38, 99)
    """
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 100
