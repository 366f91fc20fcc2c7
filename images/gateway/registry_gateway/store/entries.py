"""What repositories hold, as questions to the index: every function takes a connection and sees one state."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from registry_gateway.store import content, manifests
from registry_gateway.store.errors import UnknownError


@dataclass(frozen=True, slots=True)
class Found:
    """Content that a repository has; `media_type` is "" unless it is a manifest there, `present` whether it is here."""

    identity: int
    digest: str
    size: int
    present: bool
    used: int
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest about another one; `annotations` is a JSON object or ""."""

    digest: str
    size: int
    media_type: str
    artifact_type: str
    annotations: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A repository that has content, as a manifest of `media_type` or ("") as a blob."""

    repository: str
    media_type: str


_HOLDERS = """
SELECT r.name, m.media_type FROM manifests m JOIN repositories r ON r.id = m.repository WHERE m.content = :id
UNION SELECT r.name, '' FROM refs JOIN manifests m ON m.content = refs.parent JOIN repositories r ON r.id = m.repository
  WHERE refs.child = :id
UNION SELECT r.name, '' FROM links JOIN repositories r ON r.id = links.repository WHERE links.content = :id
ORDER BY 2 DESC, 1"""
_CONTENT = "content.id, content.digest, content.size, content.present, content.used"


def repository(connection: sqlite3.Connection, name: str) -> int:
    """The id of a repository. Raises UnknownError."""
    row = connection.execute("SELECT id FROM repositories WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise UnknownError(f"there is no repository {name}")
    return int(row[0])


def make_repository(connection: sqlite3.Connection, name: str) -> int:
    """The id of a repository, which is there from now on."""
    connection.execute(
        "INSERT INTO repositories (name, revision, written) VALUES (?, 1, 0) ON CONFLICT (name) DO NOTHING", (name,)
    )
    return repository(connection, name)


def changed(connection: sqlite3.Connection, repository: int) -> None:
    """Note that a repository's index.json has to be written anew."""
    connection.execute("UPDATE repositories SET revision = revision + 1 WHERE id = ?", (repository,))


def manifest(connection: sqlite3.Connection, repository: int, reference: str) -> Found:
    """A manifest by tag or digest. Raises UnknownError."""
    if ":" in reference:
        where, join = "content.digest = ?", ""
    else:
        where, join = "tags.name = ?", "JOIN tags ON tags.repository = m.repository AND tags.content = m.content"
    row = connection.execute(
        f"SELECT {_CONTENT}, m.media_type FROM manifests m JOIN content ON content.id = m.content {join} "  # noqa: S608 - our own text
        f"WHERE m.repository = ? AND {where}",
        (repository, reference),
    ).fetchone()
    if row is None:
        raise UnknownError("the repository has no such manifest")
    return Found(row[0], row[1], row[2], bool(row[3]), row[4], row[5])


def blob(connection: sqlite3.Connection, repository: int, digest: str) -> Found:
    """Content that the repository has: linked, or a manifest there, or named by one. Raises UnknownError."""
    row = connection.execute(
        f"""SELECT {_CONTENT} FROM content WHERE digest = :digest AND (
          EXISTS (SELECT 1 FROM links WHERE links.content = content.id AND links.repository = :repository)
          OR EXISTS (SELECT 1 FROM manifests m WHERE m.repository = :repository AND m.content = content.id)
          OR EXISTS (SELECT 1 FROM refs JOIN manifests ON manifests.content = refs.parent
            WHERE refs.child = content.id AND manifests.repository = :repository))""",  # noqa: S608 - our own text
        {"digest": digest, "repository": repository},
    ).fetchone()
    if row is None:
        raise UnknownError("the repository has no such blob")
    return Found(row[0], row[1], row[2], bool(row[3]), row[4])


def referrers(connection: sqlite3.Connection, repository: int, digest: str) -> list[Referrer]:
    """The manifests whose subject is `digest`, by digest."""
    rows = connection.execute(
        "SELECT content.digest, content.size, m.media_type, m.artifact_type, m.annotations FROM manifests m "
        "JOIN content ON content.id = m.content JOIN content subject ON subject.id = m.subject "
        "WHERE m.repository = ? AND subject.digest = ? AND content.present ORDER BY content.digest",
        (repository, digest),
    )
    return [Referrer(*row) for row in rows]


def tags(connection: sqlite3.Connection, repository: int, after: str, limit: int) -> list[str]:
    """At most `limit` tags behind `after`, in the order of their bytes; a negative limit is none."""
    rows = connection.execute(
        "SELECT name FROM tags WHERE repository = ? AND name > ? ORDER BY name LIMIT ?", (repository, after, limit)
    )
    return [name for (name,) in rows]


def repositories(connection: sqlite3.Connection, after: str, limit: int) -> list[str]:
    """At most `limit` names of repositories behind `after`, in the order of their bytes; a negative limit is none."""
    rows = connection.execute("SELECT name FROM repositories WHERE name > ? ORDER BY name LIMIT ?", (after, limit))
    return [name for (name,) in rows]


def link(connection: sqlite3.Connection, repository: int, identity: int) -> None:
    """Note that the repository has this blob."""
    connection.execute("INSERT OR IGNORE INTO links (content, repository) VALUES (?, ?)", (identity, repository))


def remove_manifest(connection: sqlite3.Connection, repository: int, identity: int) -> bool:
    """Forget a manifest of a repository and the tags that name it; whether there was one."""
    connection.execute("DELETE FROM tags WHERE repository = ? AND content = ?", (repository, identity))
    gone = connection.execute("DELETE FROM manifests WHERE repository = ? AND content = ?", (repository, identity))
    if gone.rowcount:
        changed(connection, repository)
    return bool(gone.rowcount)


def add_manifest(
    connection: sqlite3.Connection, repository: int, identity: int, parsed: manifests.Parsed, *, now: int, stamp: int
) -> None:
    """Note a manifest of a repository, put at `stamp` (Unix milliseconds), and what it consists of."""
    subject = parsed.subject and content.identify(connection, parsed.subject.digest, parsed.subject.size, now)
    connection.execute(
        "INSERT OR REPLACE INTO manifests (repository, content, media_type, artifact_type, annotations, subject, "
        "stamp) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *(repository, identity, parsed.media_type, parsed.artifact_type),
            *(parsed.annotations if subject else "", subject, stamp),
        ),
    )
    connection.execute(
        "DELETE FROM gone WHERE repository = ? AND key = (SELECT digest FROM content WHERE id = ?)",
        (repository, identity),
    )
    content.know(connection, parsed.children, now)
    connection.executemany(
        "INSERT OR IGNORE INTO refs (parent, child) SELECT ?, id FROM content WHERE digest = ?",
        [(identity, child.digest) for child in parsed.children],
    )


def set_tag(connection: sqlite3.Connection, repository: int, tag: str, identity: int, *, now: int, stamp: int) -> None:
    """Make `tag` name that manifest, and none else; set at `stamp` (Unix milliseconds)."""
    connection.execute(
        "INSERT OR REPLACE INTO tags (repository, name, content, checked, stamp) VALUES (?, ?, ?, ?, ?)",
        (repository, tag, identity, now, stamp),
    )
    connection.execute("DELETE FROM gone WHERE repository = ? AND key = ?", (repository, tag))


def needs(connection: sqlite3.Connection, identity: int) -> list[str]:
    """Digests of a manifest and of all it needs, here or not."""
    rows = connection.execute(
        f"SELECT digest FROM content WHERE id IN ({content.CLOSURE}) ORDER BY digest",  # noqa: S608 - our own
        (identity,),
    )
    return [digest for (digest,) in rows]


def holders(connection: sqlite3.Connection, digest: str) -> list[Holder]:
    """Repositories that have or name `digest`, those where it is a manifest first."""
    row = connection.execute("SELECT id FROM content WHERE digest = ?", (digest,)).fetchone()
    return [] if row is None else [Holder(*found) for found in connection.execute(_HOLDERS, {"id": row[0]})]


def missing(connection: sqlite3.Connection, identity: int) -> list[str]:
    """Digests of what a manifest needs, itself included, that is not here; of manifests not here, no more is known."""
    rows = connection.execute(
        f"SELECT digest FROM content WHERE id IN ({content.CLOSURE}) AND NOT present ORDER BY digest",  # noqa: S608 - our own
        (identity,),
    )
    return [digest for (digest,) in rows]
