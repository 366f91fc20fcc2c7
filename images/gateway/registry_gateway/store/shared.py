"""What the replicas of one registry have in common: every name with the time of its last change, and content.

It knows no network: `registry_gateway.replicas` carries what is offered here from one replica to another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from registry_gateway.store import entries, merging, stamps
from registry_gateway.store.errors import UnknownError
from registry_gateway.store.home import Home
from registry_gateway.store.putting import put_manifest
from registry_gateway.store.stamps import Stamped


@dataclass(frozen=True, slots=True)
class Lacking:
    """Content that a manifest of `repository` needs and that is not here; `media_type` is "" unless it is a manifest
    there, which was put at `stamp`.
    """

    repository: str
    digest: str
    media_type: str
    stamp: int


_LACKING = """
SELECT r.name, content.digest, m.media_type, m.stamp FROM content JOIN manifests m ON m.content = content.id
  JOIN repositories r ON r.id = m.repository WHERE NOT content.present
UNION SELECT r.name, content.digest, '', 0 FROM content JOIN refs ON refs.child = content.id
  JOIN manifests m ON m.content = refs.parent JOIN repositories r ON r.id = m.repository WHERE NOT content.present
    AND NOT EXISTS (SELECT 1 FROM manifests own WHERE own.content = content.id)
ORDER BY 1, 2"""


class Shared:
    """Everything raises StoreError."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._hashes: dict[str, tuple[tuple[int, int], str]] = {}  # by name: id and revision, and the hash of that

    async def summary(self) -> dict[str, str]:
        """A hash per repository; two replicas have the same one exactly when nothing of it differs."""
        return await self._home.keep(self._summary)

    async def names(self, repository: str, *, after: str = "", limit: int = -1) -> list[Stamped]:
        """At most `limit` (negative: all) names of a repository behind `after`, tombstones too; none of one unknown."""

        def find() -> list[Stamped]:
            with self._home.database.reading() as connection:
                try:
                    found = entries.repository(connection, repository)
                except UnknownError:
                    return []
                return stamps.page(connection, found, after=after, limit=limit)

        return await self._home.read(find)

    async def current(self, repository: str, keys: Iterable[str], *, collected: bool = False) -> list[Stamped]:
        """What is known of `keys`; with `collected` also that a collection removed them. Raises UnknownError."""

        def find() -> list[Stamped]:
            with self._home.database.reading() as connection:
                identity = entries.repository(connection, repository)
                found = [stamps.current(connection, identity, key, collected=collected) for key in keys]
                return [one for one in found if one is not None]

        return await self._home.read(find)

    async def merge(self, repository: str, offered: Iterable[Stamped]) -> list[Stamped]:
        """Take over what of `offered` is later than what is here, on disk when it returns.

        Returns what needs a manifest that is not here: put it with `put_manifest`, then offer these again.
        """
        return await self._home.write(merging.merge, self._home, repository, list(offered))

    async def put_manifest(self, repository: str, body: bytes, manifest: Stamped, *, complete: bool) -> None:
        """Put a manifest of another replica, unless something later is known of it here; with stamp 0 it is put now.

        With `complete` what it consists of must be here. Raises ContentMissingError, ManifestInvalidError,
        DigestMismatchError.
        """
        await self._home.write(
            put_manifest,
            *(self._home, repository, body, manifest.value),
            tag="",
            digest=manifest.key,
            complete=complete,
            stamp=manifest.stamp,
        )

    async def lacking(self) -> list[Lacking]:
        """Content that manifests need and that is not here."""

        def find() -> list[Lacking]:
            return [Lacking(*row) for row in self._home.database.connection.execute(_LACKING)]

        return await self._home.keep(find)

    async def forget_expired(self) -> None:
        """Drop tombstones and marks of collections whose time has come."""
        for name in await self._home.keep(merging.expiring, self._home):
            await self._home.write(merging.forget_expired, self._home, name)

    def _summary(self) -> dict[str, str]:
        found = {}
        with self._home.database.reading() as connection:
            for name, *state in connection.execute("SELECT name, id, revision FROM repositories").fetchall():
                identity, revision = state
                known = self._hashes.get(name)
                if known is None or known[0] != (identity, revision):
                    names = stamps.page(connection, identity, after="", limit=-1)
                    known = (identity, revision), _hash(names)
                if known[1]:
                    found[name] = known[1]
                self._hashes[name] = known
        return found


def _hash(names: list[Stamped]) -> str:
    total = hashlib.sha256()
    for one in names:
        total.update(json.dumps([one.key, one.stamp, one.value]).encode())
    return total.hexdigest() if names else ""
