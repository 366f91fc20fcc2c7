"""Content that turns out wrong is put aside: names stay, so that what is fetched again heals them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from registry_gateway.store import durable, locks
from registry_gateway.store.errors import LOST
from registry_gateway.store.home import Home


def quarantine(home: Home, digest: str, wrong: int | None) -> None:
    """Note that `digest` is not here and move its file away, unless another than the open file `wrong` (None: one that
    cannot be opened) has taken its place meanwhile. Blocks. Raises OSError, sqlite3.Error.

    An older file of the same digest in quarantine is replaced: one is enough to look at. A file that the disk does not
    even move stays where it is until what comes anew takes its place.
    """
    source = home.paths.blob(digest)
    with home.database.writing() as connection:
        if _is_lost(source) if wrong is None else locks.leads_to(source, wrong):
            connection.execute("UPDATE content SET present = 0 WHERE digest = ?", (digest,))
            with contextlib.suppress(OSError):
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


def _is_lost(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in LOST
    return False
