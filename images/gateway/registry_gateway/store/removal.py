"""Taking content away: row and file go in one transaction that writes, so that nobody can bring it back in between.

Content that is open is locked by its readers and stays. What was used after it was chosen stays.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from registry_gateway.store import entries, locks
from registry_gateway.store.home import Home

STEP = 64  # removals in a transaction: it holds up writers for milliseconds


@dataclass(frozen=True, slots=True)
class Candidate:
    """Content that may go if its last use is still `used`."""

    identity: int
    digest: str
    size: int
    used: int


@dataclass(slots=True)
class Removed:
    """Digests of the content that went, its bytes, and how many pieces of content stayed because they are in use."""

    digests: list[str] = field(default_factory=list)
    size: int = 0
    busy: int = 0


_MAY_GO = """SELECT 1 FROM content WHERE id = :id AND present AND used = :used
AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.content = :id AND leases.until >= :now)"""
_UNNEEDED = """
AND NOT EXISTS (SELECT 1 FROM links WHERE links.content = :id)
AND NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.content = :id)
AND NOT EXISTS (SELECT 1 FROM refs JOIN manifests ON manifests.content = refs.parent WHERE refs.child = :id)"""


def remove(home: Home, candidates: Iterable[Candidate], into: Removed, *, needed: bool) -> None:
    """Remove candidates, STEP of them at most; with `needed` also such as repositories have, and their names with them.

    Blocks. Raises OSError, sqlite3.Error.
    """
    touched: set[int] = set()
    rule = _MAY_GO if needed else _MAY_GO + _UNNEEDED
    with home.database.writing() as connection:
        for one in candidates:
            known = {"id": one.identity, "used": one.used, "now": home.now()}
            if connection.execute(rule, known).fetchone() is None:
                into.busy += 1
                continue
            path = home.paths.blob(one.digest)
            file: io.FileIO | None = locks.acquire(path, write=False)
            if file is None and path.exists():
                into.busy += 1
                continue
            touched |= _forget(connection, one.identity)
            if file is not None:
                # Before the commit, which on a full disk needs the room. Should it fail, the row tells of content
                # that is not here, which is found out when it is opened.
                with file:
                    path.unlink()
            into.digests.append(one.digest)
            into.size += one.size
        changed = [_name(connection, repository) for repository in touched]
    for name in changed:
        home.publish(name)


def _forget(connection: sqlite3.Connection, identity: int) -> set[int]:
    rows = connection.execute("SELECT repository FROM manifests WHERE content = ?", (identity,)).fetchall()
    repositories = {int(repository) for (repository,) in rows}
    for repository in repositories:
        entries.remove_manifest(connection, repository, identity)
    connection.execute("DELETE FROM links WHERE content = ?", (identity,))
    connection.execute("DELETE FROM refs WHERE parent = ?", (identity,))
    connection.execute("UPDATE content SET present = 0 WHERE id = ?", (identity,))
    return repositories


def _name(connection: sqlite3.Connection, repository: int) -> str:
    return str(connection.execute("SELECT name FROM repositories WHERE id = ?", (repository,)).fetchone()[0])


def forget_absent(connection: sqlite3.Connection) -> int:
    """Drop rows of content that is not here and that nothing names any more, 2000 at most; returns how many."""
    return connection.execute(
        """DELETE FROM content WHERE id IN (SELECT id FROM content WHERE NOT present
          AND NOT EXISTS (SELECT 1 FROM refs WHERE refs.child = content.id)
          AND NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.content = content.id)
          AND NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.subject = content.id)
          AND NOT EXISTS (SELECT 1 FROM links WHERE links.content = content.id)
          AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.content = content.id) LIMIT 2000)"""
    ).rowcount
