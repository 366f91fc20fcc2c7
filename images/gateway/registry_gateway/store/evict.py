"""Eviction for a cache: what was not used for longest goes first, until age and size are within their limits."""

from __future__ import annotations

from collections.abc import Collection

from registry_gateway.store.home import Home
from registry_gateway.store.removal import STEP, Candidate, Removed, remove

_LEASED = """WITH RECURSIVE leased (id) AS (
  SELECT content FROM leases WHERE until >= ? UNION SELECT refs.child FROM refs JOIN leased ON refs.parent = leased.id
) SELECT id FROM leased"""
_OLDEST = """SELECT id, digest, size, used FROM content
WHERE present AND (used, id) > (?, ?) ORDER BY used, id LIMIT ?"""


class Eviction:
    """One run of eviction, a `step` at a time. `size`: bytes that may stay; `ttl`: seconds without use after which
    content goes, 0 for never; `protected`: digests that stay.
    """

    def __init__(self, home: Home, *, size: int, ttl: int, protected: Collection[str]) -> None:
        self._home, self._protected = home, frozenset(protected)
        self._expired = home.now() - ttl if ttl else -1
        self._excess = usage(home)[1] - size
        self._leased = {identity for (identity,) in home.database.connection.execute(_LEASED, (home.now(),))}
        self._reached = (-1, -1)
        self.removed = Removed()

    def step(self) -> bool:
        """Look at the next oldest content; whether there is more to do. Blocks. Raises OSError, sqlite3.Error."""
        rows = self._home.database.connection.execute(_OLDEST, (*self._reached, STEP)).fetchall()
        chosen, planned = list[Candidate](), 0
        for row in rows:
            one = Candidate(*row)
            if one.used >= self._expired and self._excess - self.removed.size - planned <= 0:
                rows = []  # the rest is younger still
                break
            if one.digest not in self._protected and one.identity not in self._leased:
                chosen.append(one)
                planned += one.size
        if chosen:
            remove(self._home, chosen, self.removed, needed=True)
        if rows:
            self._reached = rows[-1][3], rows[-1][0]
        return bool(rows)


def usage(home: Home) -> tuple[int, int]:
    """How much content is here: pieces and bytes. Blocks."""
    row = home.database.connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM content WHERE present")
    count, size = row.fetchone()
    return int(count), int(size)
