"""The last step of every blob that is written: verified, durable, in place, and linked to its repository."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable

from registry_gateway.store import content, entries
from registry_gateway.store.home import Home
from registry_gateway.store.incoming import Writer


def _nothing(connection: sqlite3.Connection) -> None:
    del connection


def commit(
    home: Home, writer: Writer, name: str, digest: str, *, also: Callable[[sqlite3.Connection], None] = _nothing
) -> None:
    """Make the file of `writer` the content of `digest`, held by the repository `name`; `also` happens with it.

    Blocks. Raises DigestMismatchError, InvalidNameError, OSError, sqlite3.Error; nothing has happened then.
    """
    home.paths.repository(name)
    try:
        writer.seal(digest)
        with home.database.writing() as connection:
            identity = writer.place(connection, home.paths, digest, home.now())
            entries.link(connection, entries.make_repository(connection, name), identity)
            also(connection)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error counts
            writer.unseal()
        raise
    writer.discard()


def adopt(home: Home, name: str, digest: str) -> bool:
    """Link `digest` to the repository `name` if it is here; whether it is. Blocks."""
    home.paths.repository(name)
    row = home.database.connection.execute("SELECT 1 FROM content WHERE digest = ? AND present", (digest,)).fetchone()
    if row is None or not home.paths.blob(digest).exists():
        return False
    with home.database.writing() as connection:
        row = connection.execute("SELECT id FROM content WHERE digest = ? AND present", (digest,)).fetchone()
        if row is None:
            return False
        entries.link(connection, entries.make_repository(connection, name), row[0])
        content.renew(connection, row[0], home.now())
    return True
