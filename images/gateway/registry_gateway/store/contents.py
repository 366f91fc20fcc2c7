"""Reading by name: tags, manifests, blobs, referrers."""

from __future__ import annotations

import hashlib
import io
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from registry_gateway.store import entries, incoming, reading
from registry_gateway.store.entries import Found, Holder, Referrer
from registry_gateway.store.errors import LOST, UnknownError
from registry_gateway.store.home import Home
from registry_gateway.store.paths import split
from registry_gateway.store.quarantine import note_missing, quarantine
from registry_gateway.store.reading import Blob
from registry_gateway.store.uses import Uses

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest, verified as it was read."""

    digest: str
    media_type: str
    content: bytes


class Contents:
    """What repositories have. Everything raises StoreError; UnknownError is what a 404 is made of."""

    def __init__(self, home: Home, uses: Uses) -> None:
        self._home, self._uses = home, uses

    async def repositories(self, *, after: str = "", limit: int = -1) -> list[str]:
        """At most `limit` (negative: all) names of repositories behind `after`, in the order of their bytes."""
        return await self._home.read(lambda: entries.repositories(self._home.database.connection, after, limit))

    async def tags(self, name: str, *, after: str = "", limit: int = -1) -> list[str]:
        """At most `limit` (negative: all) tags behind `after`, in the order of their bytes."""
        return await self._ask(name, lambda connection, found: entries.tags(connection, found, after, limit))

    async def referrers(self, name: str, digest: str) -> list[Referrer]:
        """The manifests of the repository whose subject is `digest`."""
        return await self._ask(name, lambda connection, found: entries.referrers(connection, found, digest))

    async def tag(self, name: str, tag: str) -> tuple[str, int]:
        """The digest that a tag names, and the Unix seconds when it was set or last confirmed."""

        def find(connection: sqlite3.Connection, repository: int) -> tuple[str, int]:
            row = connection.execute(
                "SELECT c.digest, t.checked FROM tags t JOIN content c ON c.id = t.content "
                "WHERE t.repository = ? AND t.name = ?",
                (repository, tag),
            ).fetchone()
            if row is None:
                raise UnknownError("the repository has no such tag")
            return row[0], row[1]

        return await self._ask(name, find)

    async def missing(self, name: str, reference: str) -> list[str]:
        """Digests of what a manifest needs that is not here; empty when the image is whole."""

        def find(connection: sqlite3.Connection, repository: int) -> list[str]:
            return entries.missing(connection, entries.manifest(connection, repository, reference).identity)

        return await self._ask(name, find)

    async def needs(self, name: str, reference: str) -> list[str]:
        """Digests of a manifest and of all it needs, as far as is known; here or not."""

        def find(connection: sqlite3.Connection, repository: int) -> list[str]:
            return entries.needs(connection, entries.manifest(connection, repository, reference).identity)

        return await self._ask(name, find)

    async def holders(self, digest: str) -> list[Holder]:
        """The repositories that have or name `digest`, here or not; those where it is a manifest come first."""

        def find() -> list[Holder]:
            with self._home.database.reading() as connection:
                return entries.holders(connection, digest)

        return await self._home.read(find)

    async def has_manifest(self, name: str, reference: str) -> Found:
        """A manifest by tag or digest, without its content; it stays for the grace time at least."""
        return await self._kept(name, lambda connection, here: entries.manifest(connection, here, reference))

    async def has_blob(self, name: str, digest: str) -> Found:
        """A blob without its content; it stays for the grace time at least, so a manifest may be pushed upon it."""
        return await self._kept(name, lambda connection, here: entries.blob(connection, here, digest))

    async def manifest(self, name: str, reference: str) -> Manifest:
        """A manifest by tag or digest. One that is damaged on disk is put aside, and UnknownError."""
        found, file, body = await self._open(
            name, lambda connection, here: entries.manifest(connection, here, reference), _whole
        )
        with file:
            if body is None:
                await self._home.write(quarantine, self._home, found.digest, file.fileno())
                raise UnknownError("the stored manifest was damaged and has been put aside")
        return Manifest(found.digest, found.media_type, body)

    async def blob(self, name: str, digest: str, *, verify: bool = False) -> Blob:
        """A blob, open for reading. With `verify` it is hashed first; a damaged one is put aside, and UnknownError."""
        found, file, right = await self._open(
            name, lambda connection, here: entries.blob(connection, here, digest), _is_right if verify else _unseen
        )
        if not right:
            with file:
                await self._home.write(quarantine, self._home, digest, file.fileno())
            raise UnknownError("the stored blob was damaged and has been put aside")
        return Blob(
            self._home,
            file,
            digest,
            found.size,
            lost=lambda wrong: self._home.write(quarantine, self._home, digest, wrong),
        )

    async def _ask(self, name: str, question: Callable[[sqlite3.Connection, int], Result]) -> Result:
        def find() -> Result:
            with self._home.database.reading() as connection:
                return question(connection, entries.repository(connection, name))

        return await self._home.read(find)

    async def _open(
        self,
        name: str,
        question: Callable[[sqlite3.Connection, int], Found],
        look: Callable[[io.FileIO, str], Result],
    ) -> tuple[Found, io.FileIO, Result]:
        def find() -> tuple[Found, tuple[io.FileIO, Result] | None, bool]:
            with self._home.database.reading() as connection:
                found = _present(question(connection, entries.repository(connection, name)))
            try:
                file = reading.open_file(self._home.paths.blob(found.digest))
            except OSError as error:
                if error.errno in LOST:
                    return found, None, True
                raise
            return found, None if file is None else (file, look(file, found.digest)), False

        found, seen, lost = await self._home.read(find)
        if lost:
            await self._home.write(quarantine, self._home, found.digest, None)
            raise UnknownError("the disk does not give the stored content, which has been put aside")
        if seen is None:
            await self._home.write(note_missing, self._home, found.digest)
            raise UnknownError("the content is not here any more")
        self._uses.note(found.identity, found.used)
        return found, *seen

    async def _kept(self, name: str, question: Callable[[sqlite3.Connection, int], Found]) -> Found:
        found = _present(await self._ask(name, question))
        if await self._uses.renew(found.identity, found.used):
            found = _present(await self._ask(name, question))  # it may have been collected just before
        return found


def _present(found: Found) -> Found:
    if not found.present:
        raise UnknownError("the repository names this content, but it is not here")
    return found


def _whole(file: io.FileIO, digest: str) -> bytes | None:
    algorithm, value = split(digest)
    try:
        body = file.readall()
    except OSError as error:
        if error.errno in LOST:
            return None
        raise
    return body if hashlib.new(algorithm, body).hexdigest() == value else None


def _is_right(file: io.FileIO, digest: str) -> bool:
    algorithm, value = split(digest)
    try:
        return incoming.hash_of(file.fileno(), algorithm).hexdigest() == value
    except OSError as error:
        if error.errno in LOST:
            return False
        raise


def _unseen(file: io.FileIO, digest: str) -> bool:
    del file, digest
    return True
