"""Content that turns out wrong is put aside: names stay, so that what is fetched again heals them."""

from __future__ import annotations

import os

from registry_gateway.store import durable, locks
from registry_gateway.store.home import Home


def quarantine(home: Home, digest: str, wrong: int) -> None:
    """Move the file of `digest` away and note that it is not here, unless another than the open file `wrong` has
    taken its place meanwhile. Blocks. Raises OSError, sqlite3.Error.

    An older file of the same digest in quarantine is replaced: one is enough to look at.
    """
    source = home.paths.blob(digest)
    with home.database.writing() as connection:
        if locks.leads_to(source, wrong):
            connection.execute("UPDATE content SET present = 0 WHERE digest = ?", (digest,))
            os.replace(source, home.paths.quarantined(digest))  # noqa: PTH105 - the step by step tests watch `os`
            durable.sync_folder(source.parent)


def note_missing(home: Home, digest: str) -> bool:
    """Note that `digest` is not here, if its file is gone; whether that was news. Blocks. Raises OSError and
    sqlite3.Error.
    """
    with home.database.writing() as connection:
        if home.paths.blob(digest).exists():
            return False
        return connection.execute("UPDATE content SET present = 0 WHERE digest = ? AND present", (digest,)).rowcount > 0
