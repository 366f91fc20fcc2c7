"""Taking over what another replica knows, in one transaction: the later of two writes holds, at every replica."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from registry_gateway.store import content, entries, stamps
from registry_gateway.store.errors import UnknownError
from registry_gateway.store.home import Home
from registry_gateway.store.stamps import Stamped


def merge(home: Home, name: str, offered: Iterable[Stamped]) -> list[Stamped]:
    """Take over what of `offered` is later than what is here; returns what needs a manifest that is not here.

    Blocks. Raises StoreError, OSError, sqlite3.Error.
    """
    home.paths.repository(name)
    with home.database.writing() as connection:
        merger = _Merger(home, connection, entries.make_repository(connection, name))
        undone = [one for one in sorted(offered, key=lambda one: one.is_tag) if not merger.take(one)]
        if merger.changed:
            entries.changed(connection, merger.repository)
    home.publish(name)
    return undone


def forget_expired(home: Home, name: str) -> None:
    """Drop the tombstones and marks of a repository whose time has come. Blocks."""
    with home.database.writing() as connection:
        repository = entries.repository(connection, name)
        connection.execute("DELETE FROM gone WHERE repository = ? AND until <= ?", (repository, home.stamp()))
        entries.changed(connection, repository)
    home.publish(name)


def expiring(home: Home) -> list[str]:
    """Repositories of which something can be forgotten. Blocks."""
    rows = home.database.connection.execute(
        "SELECT DISTINCT name FROM gone JOIN repositories ON id = repository WHERE until <= ? ORDER BY name",
        (home.stamp(),),
    )
    return [name for (name,) in rows]


class _Merger:
    def __init__(self, home: Home, connection: sqlite3.Connection, repository: int) -> None:
        self._home, self._connection, self.repository = home, connection, repository
        self.changed = False

    def take(self, one: Stamped) -> bool:
        """Take over `one`; False when a manifest lacks for that."""
        # A removal by everybody's will outranks that of a collection here.
        found = stamps.current(self._connection, self.repository, one.key, collected=bool(one.value))
        if not one.is_later(found):
            return True
        if not one.value:
            self._remove(one, found)
        elif one.is_tag:
            return self._tag(one)
        elif found is None or found.is_gone:
            return False
        else:
            self._restamp(one.key, one.stamp, one.value)
        return True

    def _remove(self, one: Stamped, found: Stamped | None) -> None:
        if found is not None and not found.is_gone:
            remove = stamps.remove_tag if one.is_tag else stamps.remove_manifest
            remove(self._connection, self.repository, one.key, one.stamp)
        elif one.stamp + stamps.REMEMBERED <= self._home.stamp():
            return  # the other one is about to forget it, too
        else:
            stamps.bury(self._connection, self.repository, one.key, one.stamp)
        self.changed = True

    def _tag(self, one: Stamped) -> bool:
        manifest = stamps.current(self._connection, self.repository, one.value)
        if manifest is None:
            return False
        if manifest.is_gone:
            if manifest.stamp < one.stamp:
                return False
            if manifest.value == stamps.COLLECTED:
                return True  # where tag and manifest have gone by a rule of this replica
            self._remove(Stamped(one.key, manifest.stamp, ""), None)  # the tag went with its manifest
            return True
        if manifest.stamp < one.stamp:
            self._restamp(one.value, one.stamp, manifest.value)
        try:
            identity = entries.manifest(self._connection, self.repository, one.value).identity
        except UnknownError:
            return False
        now = self._home.now()
        entries.set_tag(self._connection, self.repository, one.key, identity, now=now, stamp=one.stamp)
        content.renew(self._connection, identity, now)
        self.changed = True
        return True

    def _restamp(self, digest: str, stamp: int, media_type: str) -> None:
        self._connection.execute(
            "UPDATE manifests SET stamp = ?, media_type = ? "
            "WHERE repository = ? AND content = (SELECT id FROM content WHERE digest = ?)",
            (stamp, media_type, self.repository, digest),
        )
        self.changed = True
