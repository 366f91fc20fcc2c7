"""Rows of content: which digests are here, how large, when last used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from registry_gateway.store.manifests import Reference

# Everything a manifest needs, however deep: children of an index, config, layers. Parameter: the manifest's id.
CLOSURE = """WITH RECURSIVE closure (id) AS (
  VALUES (?) UNION SELECT refs.child FROM refs JOIN closure ON refs.parent = closure.id
) SELECT id FROM closure"""


def identify(connection: sqlite3.Connection, digest: str, size: int, now: int) -> int:
    """The id of `digest`, which becomes known, not present, when it was unknown."""
    know(connection, [Reference(digest, size)], now)
    return int(connection.execute("SELECT id FROM content WHERE digest = ?", (digest,)).fetchone()[0])


def know(connection: sqlite3.Connection, references: Iterable[Reference], now: int) -> None:
    """Make digests known that were not; they are not present."""
    connection.executemany(
        "INSERT INTO content (digest, size, present, used) VALUES (?, ?, 0, ?) ON CONFLICT (digest) DO NOTHING",
        [(one.digest, one.size, now) for one in references],
    )


def place(connection: sqlite3.Connection, digest: str, size: int, now: int) -> int:
    """Note that `digest` is here; returns its id."""
    identity = identify(connection, digest, size, now)
    connection.execute(
        "UPDATE content SET size = ?, present = 1, used = max(used + 1, ?) WHERE id = ?", (size, now, identity)
    )
    return identity


def is_whole(connection: sqlite3.Connection, digest: str, path: Path) -> bool:
    """Whether `digest` is here and its file still as long as it was."""
    row = connection.execute("SELECT size FROM content WHERE digest = ? AND present", (digest,)).fetchone()
    try:
        return row is not None and path.stat().st_size == row[0]
    except OSError:  # gone, or lost by the disk
        return False


def renew(connection: sqlite3.Connection, identity: int, now: int) -> None:
    """Count content, and all it needs, as used now; the time always changes, so a removal planned before is off."""
    connection.execute(
        f"UPDATE content SET used = max(used + 1, ?) WHERE id IN ({CLOSURE})",  # noqa: S608 - a text of our own
        (now, identity),
    )
