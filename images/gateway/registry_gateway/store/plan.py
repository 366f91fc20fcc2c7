"""What a collection would remove: everything that no kept tag, expected digest, lease or recent use leads to.

All is found in one state of the index; nothing is changed but tables of this connection's own.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass

from registry_gateway import names
from registry_gateway.store.home import Home
from registry_gateway.store.paths import ALGORITHMS
from registry_gateway.store.removal import Candidate


@dataclass(frozen=True, slots=True)
class Keep:
    """What stays: tags for which `tag(repository, tag)` is true, and `digests` with all they need, anywhere.

    `about(tag)`: the digest with which a tag stays and goes, "" for none; `untagged(repository)`: whether manifests
    without a tag stay; `grace`: seconds for which unneeded content stays, if they are more than the store's.
    """

    tag: Callable[[str, str], bool] = lambda repository, tag: True  # noqa: ARG005 - every tag
    digests: Collection[str] = ()
    about: Callable[[str], str] = lambda tag: ""  # noqa: ARG005 - no tag
    untagged: Callable[[str], bool] = lambda repository: False  # noqa: ARG005 - in no repository
    grace: int = 0


@dataclass(frozen=True, slots=True)
class Named:
    """A name that goes, if its content was not used since: a tag, or ("") a manifest or a link of the repository."""

    repository: str
    tag: str
    content: Candidate


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes, in this order. `orphans`: files that no row is of, left by a crash; `size`: bytes of `content`."""

    tags: tuple[Named, ...]
    manifests: tuple[Named, ...]
    links: tuple[Named, ...]
    content: tuple[Candidate, ...]
    orphans: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum(one.size for one in self.content)


_TABLES = """
CREATE TEMP TABLE IF NOT EXISTS live (repository INTEGER, content INTEGER, PRIMARY KEY (repository, content))
  WITHOUT ROWID;
CREATE TEMP TABLE IF NOT EXISTS kept (content INTEGER PRIMARY KEY);
"""
# Roots that are manifests count in the repositories that have them; their needs count there too, and so do those
# manifests that refer to something live (referrers stay with their subject).
_MARK = """
INSERT OR IGNORE INTO live WITH RECURSIVE marked (repository, content) AS (
  SELECT repository, content FROM live
  UNION SELECT marked.repository, refs.child FROM marked JOIN refs ON refs.parent = marked.content
  UNION SELECT m.repository, m.content FROM marked JOIN manifests m
    ON m.subject = marked.content AND m.repository = marked.repository
) SELECT repository, content FROM marked"""
_ROOTS = """
INSERT OR IGNORE INTO live SELECT m.repository, m.content FROM manifests m JOIN content ON content.id = m.content
WHERE content.used >= :cutoff OR m.content IN (SELECT content FROM kept)"""
_UNTAGGED = """
INSERT OR IGNORE INTO live SELECT m.repository, m.content FROM manifests m WHERE m.repository = :repository
AND NOT EXISTS (SELECT 1 FROM tags WHERE tags.repository = m.repository AND tags.content = m.content)"""
_ABOUT_LIVE = """SELECT 1 FROM content JOIN live ON live.content = content.id
WHERE content.digest = ? AND live.repository = ?"""
_CANDIDATE = "content.id, content.digest, content.size, content.used"
_NOT_LIVE = """content.used < :cutoff AND content.id NOT IN (SELECT content FROM kept)
AND NOT EXISTS (SELECT 1 FROM live WHERE live.repository = t.repository AND live.content = t.content)"""
# Indexes before what they list, so that a collection that is cut short leaves no manifest without its parts.
_NAMED = f"""JOIN content ON content.id = t.content JOIN repositories r ON r.id = t.repository WHERE {_NOT_LIVE}"""
_MANIFESTS = f"""SELECT r.name, {_CANDIDATE} FROM manifests t {_NAMED}
ORDER BY t.media_type LIKE '%manifest.v%', r.name, content.id"""  # noqa: S608 - texts of our own, here and below
_LINKS = f"SELECT r.name, {_CANDIDATE} FROM links t {_NAMED} ORDER BY r.name, content.id"  # noqa: S608
_CONTENT = f"""SELECT {_CANDIDATE} FROM content WHERE present AND used < :cutoff
AND id NOT IN (SELECT content FROM kept) AND id NOT IN (SELECT content FROM live) ORDER BY id"""  # noqa: S608


def make(home: Home, keep: Keep) -> Plan:
    """Find what goes. Blocks, some seconds for a million pieces of content. Raises OSError, sqlite3.Error."""
    connection = home.database.connection
    connection.executescript(_TABLES)
    known = {"cutoff": home.now() - max(home.grace, keep.grace), "now": home.now()}
    with home.database.reading():
        connection.execute("DELETE FROM live")
        connection.execute("DELETE FROM kept")
        connection.execute("INSERT INTO kept SELECT DISTINCT content FROM leases WHERE until >= :now", known)
        connection.executemany(
            "INSERT OR IGNORE INTO kept SELECT id FROM content WHERE digest = ?", [(digest,) for digest in keep.digests]
        )
        leased = {content for (content,) in connection.execute("SELECT content FROM leases WHERE until >= :now", known)}
        going, waiting = _tags(connection, keep, leased)
        for identity, name in connection.execute("SELECT id, name FROM repositories").fetchall():
            if keep.untagged(name):
                connection.execute(_UNTAGGED, {"repository": identity})
        connection.execute(_ROOTS, known)
        connection.execute(_MARK)
        going += _followers(connection, waiting, keep)
        connection.execute(_MARK)
        return Plan(
            tuple(sorted(going, key=lambda one: (one.repository, one.tag))),
            tuple(Named(name, "", Candidate(*row)) for name, *row in connection.execute(_MANIFESTS, known)),
            tuple(Named(name, "", Candidate(*row)) for name, *row in connection.execute(_LINKS, known)),
            tuple(Candidate(*row) for row in connection.execute(_CONTENT, known)),
            orphans(home, connection),
        )


@dataclass(frozen=True, slots=True)
class _Follower:
    """A tag that goes with the digest it is about."""

    identity: int  # of the repository
    about: str
    named: Named


def _tags(connection: sqlite3.Connection, keep: Keep, leased: Collection[int]) -> tuple[list[Named], list[_Follower]]:
    """Tags that go, and those that go with others. Kept ones become live, and so do those of `leased` content."""
    going, waiting = list[Named](), list[_Follower]()
    rows = connection.execute(
        f"SELECT r.id, r.name, tags.name, {_CANDIDATE} FROM tags JOIN repositories r ON r.id = tags.repository "  # noqa: S608
        "JOIN content ON content.id = tags.content"
    ).fetchall()
    for repository, name, tag, *row in rows:
        named = Named(name, tag, Candidate(*row))
        if about := keep.about(tag):
            waiting.append(_Follower(repository, about, named))
        elif row[0] in leased or keep.tag(name, tag):
            connection.execute("INSERT OR IGNORE INTO live VALUES (?, ?)", (repository, row[0]))
        else:
            going.append(named)
    return going, waiting


def _followers(connection: sqlite3.Connection, waiting: Collection[_Follower], keep: Keep) -> list[Named]:
    """Those of `waiting` that are about nothing live, so that they go; the others become live."""
    going = []
    for one in waiting:
        live = connection.execute(_ABOUT_LIVE, (one.about, one.identity)).fetchone()
        if live or keep.untagged(one.named.repository):  # such a tag is no name that anybody keeps by
            content = one.named.content.identity
            connection.execute("INSERT OR IGNORE INTO live VALUES (?, ?)", (one.identity, content))
        else:
            going.append(one.named)
    return going


def orphans(home: Home, connection: sqlite3.Connection) -> tuple[str, ...]:
    """Digests of files in place that no row says are here. Blocks. Raises OSError, sqlite3.Error."""
    found = []
    for algorithm in ALGORITHMS:
        with os.scandir(home.paths.blobs / algorithm) as files:
            for file in files:
                digest = f"{algorithm}:{file.name}"
                row = connection.execute("SELECT present FROM content WHERE digest = ?", (digest,)).fetchone()
                if names.is_digest(digest) and (row is None or not row[0]):
                    found.append(digest)
    return tuple(sorted(found))
