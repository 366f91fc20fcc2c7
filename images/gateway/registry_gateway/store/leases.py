"""Leases: content that must stay for a time, whatever else says that it may go."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from registry_gateway.store import content
from registry_gateway.store.home import Home
from registry_gateway.store.paths import split


class Leases:
    """Leases by owner, a word of the caller's; a manifest's lease covers all it needs. Raises StoreError."""

    def __init__(self, home: Home) -> None:
        self._home = home

    async def take(self, owner: str, digests: Collection[str], *, seconds: int) -> None:
        """Lease `digests`, here or yet to come, for `seconds` from now; those that `owner` has already are renewed."""
        for digest in digests:
            split(digest)
        await self._home.write(self._take, owner, digests, self._home.now() + seconds)

    async def drop(self, owner: str) -> None:
        """End all leases of `owner`."""

        def delete() -> None:
            with self._home.database.writing() as connection:
                connection.execute("DELETE FROM leases WHERE owner = ?", (owner,))

        await self._home.write(delete)

    def _take(self, owner: str, digests: Collection[str], until: int) -> None:
        with self._home.database.writing() as connection:
            for digest in digests:
                identity = content.identify(connection, digest, 0, self._home.now())
                connection.execute(
                    "INSERT OR REPLACE INTO leases (content, owner, until) VALUES (?, ?, ?)", (identity, owner, until)
                )


def forget_expired(connection: sqlite3.Connection, now: int) -> None:
    """Drop leases that have ended."""
    connection.execute("DELETE FROM leases WHERE until < ?", (now,))
