"""Collection: a plan carried out in short steps, beside reads and pushes.

Every step looks again: what was used, tagged or pushed since the plan was made has another time of last use, and stays.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from registry_gateway.store import entries, leases, locks, stamps
from registry_gateway.store.home import Home
from registry_gateway.store.plan import Named, Plan
from registry_gateway.store.removal import STEP, Removed, forget_absent, remove

Item = TypeVar("Item")
Change = Callable[[sqlite3.Connection, int, Named, int], None]


def steps(home: Home, plan: Plan, removed: Removed) -> Iterator[None]:
    """Carry out `plan`; every `next` is one step, which blocks for some milliseconds and raises OSError or
    sqlite3.Error. Ended early, it leaves everything that is named whole.
    """
    for named, change in ((plan.tags, _untag), (plan.manifests, _drop_manifest), (plan.links, _unlink)):
        for batch in _batches(named):
            _apply(home, batch, change)
            yield
    for candidates in _batches(plan.content):
        remove(home, candidates, removed, needed=False)
        yield
    for orphans in _batches(plan.orphans):
        with home.database.writing() as connection:
            for digest in orphans:
                _remove_orphan(home, connection, digest)
        yield
    yield from _tidy(home)


def _apply(home: Home, batch: Sequence[Named], change: Change) -> None:
    with home.database.writing() as connection:
        for one in batch:
            row = connection.execute(
                "SELECT r.id FROM repositories r, content c WHERE r.name = ? AND c.id = ? AND c.used = ?",
                (one.repository, one.content.identity, one.content.used),
            ).fetchone()
            if row is not None:
                change(connection, row[0], one, home.stamp())
    for name in {one.repository for one in batch}:
        home.publish(name)


def _untag(connection: sqlite3.Connection, repository: int, one: Named, now: int) -> None:
    known = (repository, one.tag, one.content.identity)
    if connection.execute("SELECT 1 FROM tags WHERE repository = ? AND name = ? AND content = ?", known).fetchone():
        stamps.mark_untagged(connection, repository, one.tag, now)
        connection.execute("DELETE FROM tags WHERE repository = ? AND name = ?", known[:2])
        entries.changed(connection, repository)


def _drop_manifest(connection: sqlite3.Connection, repository: int, one: Named, now: int) -> None:
    stamps.mark_collected(connection, repository, one.content.identity, now)
    entries.remove_manifest(connection, repository, one.content.identity)


def _unlink(connection: sqlite3.Connection, repository: int, one: Named, now: int) -> None:
    del now
    connection.execute("DELETE FROM links WHERE content = ? AND repository = ?", (one.content.identity, repository))


def _remove_orphan(home: Home, connection: sqlite3.Connection, digest: str) -> None:
    if connection.execute("SELECT 1 FROM content WHERE digest = ? AND present", (digest,)).fetchone() is None:
        home.paths.blob(digest).unlink(missing_ok=True)


def _tidy(home: Home) -> Iterator[None]:
    with home.database.writing(durable=False) as connection:
        leases.forget_expired(connection, home.now())
    more = True
    while more:
        yield
        with home.database.writing(durable=False) as connection:
            more = forget_absent(connection) > 0
    empty = home.database.connection.execute(
        "SELECT name FROM repositories WHERE id NOT IN (SELECT repository FROM manifests) "
        "AND id NOT IN (SELECT repository FROM links) AND id NOT IN (SELECT repository FROM gone)"
    ).fetchall()
    for (name,) in empty:
        yield
        _remove_empty(home, name)


def _remove_empty(home: Home, name: str) -> None:
    folder = home.paths.repository(name)
    descriptor = locks.wait_for_folder(folder, wait=False)  # before the transaction, as everywhere
    if descriptor is None and folder.exists():
        return  # somebody is publishing it
    try:
        with home.database.writing() as connection:
            gone = connection.execute(
                "DELETE FROM repositories WHERE name = ? AND id NOT IN (SELECT repository FROM manifests) "
                "AND id NOT IN (SELECT repository FROM links) AND id NOT IN (SELECT repository FROM gone)",
                (name,),
            )
            if gone.rowcount and descriptor is not None:
                # index.json first: without it there is no repository to rebuild
                for entry in sorted(folder.iterdir(), key=lambda path: path.name != "index.json"):
                    entry.unlink()
                folder.rmdir()
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), STEP):
        yield items[start : start + STEP]
