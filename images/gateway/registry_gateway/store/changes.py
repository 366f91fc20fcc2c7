"""Changing by name: manifests and tags, links, deletions. What is acknowledged is in the index and in the layout."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from registry_gateway import names
from registry_gateway.store import content, entries, stamps
from registry_gateway.store.errors import InvalidNameError, UnknownError
from registry_gateway.store.home import Home
from registry_gateway.store.paths import split
from registry_gateway.store.putting import put_manifest
from registry_gateway.store.stamps import Stamped


class Changes:
    """Each is whole when it returns, on disk and seen by everybody, or has not happened. All raise StoreError."""

    def __init__(self, home: Home) -> None:
        self._home = home

    async def put_manifest(
        self,
        name: str,
        body: bytes,
        media_type: str,
        *,
        tag: str = "",
        digest: str = "",
        complete: bool = True,
        stamp: int = 0,
    ) -> str:
        """Store a manifest, under `tag` too; returns its digest.

        It must have `digest`, if that is given, else it gets one of SHA-256. With `complete` all it consists of must
        be in the repository (a push); without, it may come later (a cache). `stamp`: when it was put
        elsewhere (Unix milliseconds; `stamps.UNDATED` when nobody knows); 0 for now. Raises ManifestInvalidError,
        ContentMissingError, DigestMismatchError, InvalidNameError.
        """
        if tag and not names.is_tag(tag):
            raise InvalidNameError("this is no tag of the OCI distribution spec")
        return await self._home.write(
            put_manifest, self._home, name, body, media_type, tag=tag, digest=digest, complete=complete, stamp=stamp
        )

    async def replace_tag(self, name: str, tag: str, digest: str, *, known: Stamped | None) -> bool:
        """Have `tag` name the manifest `digest`, which is here, if the tag is still what was `known` of it and that
        names another one; whether it does so now.

        Unlike a push it counts as set right after what it replaces (see `stamps.replacing`). Raises UnknownError.
        """

        def replace() -> bool:
            with self._home.database.writing() as connection:
                repository = entries.repository(connection, name)
                current = stamps.current(connection, repository, tag)
                if current != known or (current is not None and current.value == digest):
                    return False
                identity = entries.manifest(connection, repository, digest).identity
                stamp, now = stamps.replacing(known), self._home.now()
                stamps.raise_manifest(connection, repository, identity, stamp)
                entries.set_tag(connection, repository, tag, identity, now=now, stamp=stamp)
                entries.changed(connection, repository)
                content.renew(connection, identity, now)
            self._home.publish(name)
            return True

        if not names.is_tag(tag):
            raise InvalidNameError("this is no tag of the OCI distribution spec")
        return await self._home.write(replace)

    async def delete_tag(self, name: str, tag: str) -> None:
        """Remove a tag; its manifest stays until it is collected. Raises UnknownError."""

        def delete(connection: sqlite3.Connection, repository: int) -> bool:
            stamp = stamps.following(connection, repository, [tag], self._home.stamp())
            return stamps.remove_tag(connection, repository, tag, stamp)

        await self._home.write(self._delete, name, delete)

    async def confirm_tag(self, name: str, tag: str) -> None:
        """Note that a tag was found to hold still, as a cache does. Raises UnknownError."""

        def confirm() -> None:
            with self._home.database.writing(durable=False) as connection:
                done = connection.execute(
                    "UPDATE tags SET checked = ? WHERE repository = ? AND name = ?",
                    (self._home.now(), entries.repository(connection, name), tag),
                )
                if not done.rowcount:
                    raise UnknownError("the repository has no such tag")

        await self._home.write(confirm)

    async def delete_manifest(self, name: str, digest: str) -> None:
        """Remove a manifest and its tags from the repository; content stays until collected. Raises UnknownError."""

        def delete(connection: sqlite3.Connection, repository: int) -> bool:
            stamp = stamps.following(connection, repository, [digest], self._home.stamp())
            stamps.remove_manifest(connection, repository, _digest(digest), stamp)
            return True

        await self._home.write(self._delete, name, delete)

    async def delete_blob(self, name: str, digest: str) -> None:
        """Remove a repository's own link to a blob; manifests that name it keep it. Raises UnknownError."""

        def delete(connection: sqlite3.Connection, repository: int) -> bool:
            found = entries.blob(connection, repository, digest)
            connection.execute("DELETE FROM links WHERE repository = ? AND content = ?", (repository, found.identity))
            return True

        await self._home.write(self._delete, name, delete)

    async def mount(self, name: str, digest: str, *, source: str) -> bool:
        """Give `name` the blob that `source` has; whether there was one (distribution spec, "Mounting a blob")."""
        self._home.paths.repository(name)

        def link() -> bool:
            with self._home.database.writing() as connection:
                try:
                    found = entries.blob(connection, entries.repository(connection, source), digest)
                except UnknownError:
                    return False
                if found.present:
                    entries.link(connection, entries.make_repository(connection, name), found.identity)
                    content.renew(connection, found.identity, self._home.now())
                return found.present

        return await self._home.write(link)

    def _delete(self, name: str, delete: Callable[[sqlite3.Connection, int], bool]) -> None:
        with self._home.database.writing() as connection:
            if not delete(connection, entries.repository(connection, name)):
                raise UnknownError("the repository has no such thing to delete")
        self._home.publish(name)


def _digest(digest: str) -> str:
    split(digest)
    return digest
