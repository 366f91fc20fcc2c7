"""Putting a manifest: content, name, what it consists of and a tag, all in one transaction."""

from __future__ import annotations

import sqlite3

from registry_gateway.store import content, entries, manifests, stamps
from registry_gateway.store.errors import ContentMissingError, UnknownError
from registry_gateway.store.home import Home
from registry_gateway.store.incoming import Writer
from registry_gateway.store.manifests import Parsed
from registry_gateway.store.paths import split
from registry_gateway.store.stamps import Stamped


def put_manifest(
    home: Home, name: str, body: bytes, media_type: str, *, tag: str, digest: str, complete: bool, stamp: int = 0
) -> str:
    """Put a manifest into the repository `name`, under `tag` too unless that is ""; returns its digest.

    `digest` may be "". With `complete` all it consists of must be there. With `stamp` (Unix milliseconds) it was put
    elsewhere at that time, and what happened to it here later holds. Blocks. Raises StoreError, OSError, sqlite3.Error.
    """
    home.paths.repository(name)
    parsed = manifests.parse(body, media_type)
    algorithm = split(digest)[0] if digest else "sha256"
    writer = Writer.create(home.paths, limit=manifests.LIMIT, algorithm=algorithm)
    try:
        writer.write(body)
        digest = digest or writer.digest
        writer.seal(digest)
        with home.database.writing() as connection:
            repository = entries.make_repository(connection, name)
            if complete:
                _require(connection, repository, parsed)
            found = stamps.current(connection, repository, digest) if stamp else None
            if found is not None and found.is_gone and found.is_later(Stamped(digest, stamp, media_type)):
                return digest
            if found is not None and not found.is_gone:
                stamp = max(stamp, found.stamp)
            keys = [digest, tag] if tag else [digest]
            now, stamp = home.now(), stamp or stamps.following(connection, repository, keys, home.stamp())
            identity = writer.place(connection, home.paths, digest, now)
            entries.add_manifest(connection, repository, identity, parsed, now=now, stamp=stamp)
            if tag:
                entries.set_tag(connection, repository, tag, identity, now=now, stamp=stamp)
            entries.changed(connection, repository)
            content.renew(connection, identity, now)
    finally:
        writer.discard()
    home.publish(name)
    return digest


def _require(connection: sqlite3.Connection, repository: int, parsed: Parsed) -> None:
    missing = []
    for child in parsed.children:
        try:
            if not entries.blob(connection, repository, child.digest).present:
                missing.append(child.digest)
        except UnknownError:
            missing.append(child.digest)
    if missing:
        raise ContentMissingError(tuple(missing))
