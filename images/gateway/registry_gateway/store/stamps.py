"""When names were set and removed: how replicas tell the later of two writes (docs/internal/REPLICAS.md).

A name is a tag or a manifest's digest, in one repository. What was removed leaves a row in `gone`: a tombstone, which
other replicas follow, or the mark of a collection, which is this replica's own and only says "do not fetch it again".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from registry_gateway.store import entries

REMEMBERED = 7 * 86_400_000  # milliseconds for which a removal is; a replica may be away for less than that
UNDATED = 1  # the stamp of what is known without its time: earlier than every other
COLLECTED = "~"  # sorts behind every digest and media type: what has the stamp of a collected name is not fetched again


@dataclass(frozen=True, slots=True)
class Stamped:
    """What `key` (a tag or a digest) is since `stamp` (Unix milliseconds): a tag's digest, a manifest's media type,
    "" when it was removed, COLLECTED when a collection here did that.
    """

    key: str
    stamp: int
    value: str

    @property
    def is_tag(self) -> bool:
        return ":" not in self.key

    @property
    def is_gone(self) -> bool:
        return self.value in ("", COLLECTED)

    def is_later(self, other: Stamped | None) -> bool:
        """Whether this one holds and not `other`, the same at every replica: later ones first, then by value."""
        return other is None or (self.stamp, self.value) > (other.stamp, other.value)


_NAMES = """
SELECT tags.name AS key, tags.stamp AS stamp, content.digest AS value FROM tags
  JOIN content ON content.id = tags.content WHERE tags.repository = :repository AND {where_tag}
UNION ALL SELECT content.digest, m.stamp, m.media_type FROM manifests m
  JOIN content ON content.id = m.content WHERE m.repository = :repository AND {where_digest}
UNION ALL SELECT gone.key, gone.stamp, iif(gone.collected, '~', '') FROM gone
  WHERE gone.repository = :repository AND gone.collected <= :collected AND {where_gone}"""


def _names(where: str) -> str:
    columns = {"where_tag": "tags.name", "where_digest": "content.digest", "where_gone": "gone.key"}
    return _NAMES.format(**{part: f"{column} {where}" for part, column in columns.items()})


_ONE, _PAGE = _names("= :key"), _names("> :after") + " ORDER BY 1 LIMIT :limit"


def current(connection: sqlite3.Connection, repository: int, key: str, *, collected: bool = True) -> Stamped | None:
    """What is known of `key`; with `collected` also that a collection removed it."""
    known = {"repository": repository, "key": key, "collected": int(collected)}
    row = connection.execute(_ONE, known).fetchone()
    return None if row is None else Stamped(*row)


def page(connection: sqlite3.Connection, repository: int, *, after: str, limit: int) -> list[Stamped]:
    """At most `limit` (negative: all) names behind `after`, tombstones too."""
    known = {"repository": repository, "after": after, "limit": limit, "collected": 0}
    return [Stamped(*row) for row in connection.execute(_PAGE, known)]


def following(connection: sqlite3.Connection, repository: int, keys: Iterable[str], now: int) -> int:
    """The stamp of a write that happens now (Unix milliseconds): later than all that is known of `keys`, so that who
    writes wins over what it saw, whatever the clocks of other replicas say.
    """
    found = (current(connection, repository, key) for key in keys)
    return max([now, *(known.stamp + 1 for known in found if known is not None)])


def replacing(known: Stamped | None) -> int:
    """The stamp of what nobody pushed and a registry says in the place of `known`: right after that, and UNDATED when
    nothing is known here. So a push or deletion that this replica has not heard of yet holds at every replica.
    """
    return UNDATED if known is None or known.value == COLLECTED else known.stamp + 1


def raise_manifest(connection: sqlite3.Connection, repository: int, identity: int, stamp: int) -> None:
    """Give a manifest at least the stamp of a tag that is set to it."""
    connection.execute(
        "UPDATE manifests SET stamp = max(stamp, ?) WHERE repository = ? AND content = ?", (stamp, repository, identity)
    )


def bury(connection: sqlite3.Connection, repository: int, key: str, stamp: int) -> None:
    """Leave a tombstone for `key`, which the caller removes."""
    connection.execute(
        "INSERT OR REPLACE INTO gone (repository, key, stamp, collected, until) VALUES (?, ?, ?, 0, ?)",
        (repository, key, stamp, stamp + REMEMBERED),
    )


def remove_tag(connection: sqlite3.Connection, repository: int, tag: str, stamp: int) -> bool:
    """Remove a tag and leave a tombstone; whether there was one."""
    gone = connection.execute("DELETE FROM tags WHERE repository = ? AND name = ?", (repository, tag)).rowcount > 0
    if gone:
        bury(connection, repository, tag, stamp)
        entries.changed(connection, repository)
    return gone


def remove_manifest(connection: sqlite3.Connection, repository: int, digest: str, stamp: int) -> list[str]:
    """Remove a manifest and the tags that name it, and leave tombstones; returns these tags. Raises UnknownError."""
    identity = entries.manifest(connection, repository, digest).identity
    rows = connection.execute("SELECT name FROM tags WHERE repository = ? AND content = ?", (repository, identity))
    tags = [str(tag) for (tag,) in rows.fetchall()]
    for key in (digest, *tags):
        bury(connection, repository, key, stamp)
    entries.remove_manifest(connection, repository, identity)
    return tags


def mark_collected(connection: sqlite3.Connection, repository: int, identity: int, now: int) -> None:
    """Note that a collection removes this manifest now (Unix milliseconds): it is not fetched from a replica that still
    has it.
    """
    connection.execute(
        "INSERT OR REPLACE INTO gone (repository, key, stamp, collected, until) "
        "SELECT m.repository, c.digest, m.stamp, 1, ? FROM manifests m JOIN content c ON c.id = m.content "
        "WHERE m.repository = ? AND m.content = ?",
        (now + REMEMBERED, repository, identity),
    )


def mark_untagged(connection: sqlite3.Connection, repository: int, tag: str, now: int) -> None:
    """As `mark_collected`, for a tag."""
    connection.execute(
        "INSERT OR REPLACE INTO gone (repository, key, stamp, collected, until) "
        "SELECT repository, name, stamp, 1, ? FROM tags WHERE repository = ? AND name = ?",
        (now + REMEMBERED, repository, tag),
    )
