"""What dead writers left behind, removed: files in `incoming/` and `claims/` that nobody has locked, files in place
without a row; and what has been in quarantine for long.
"""

from __future__ import annotations

from pathlib import Path

from registry_gateway.store import locks, plan
from registry_gateway.store.home import Home
from registry_gateway.store.uploads import PREFIX

QUARANTINED_SECONDS = 7 * 86_400  # for which somebody may look at content that was wrong
YOUNG_SECONDS = 60  # for which a file may be one that its writer has not locked yet


def clean(home: Home) -> int:
    """All that leaves files behind, beside processes that write; returns how many went. Blocks. Raises OSError,
    sqlite3.Error.
    """
    removed = sweep(home, young=YOUNG_SECONDS)
    for digest in plan.orphans(home, home.database.connection):
        path = home.paths.blob(digest)
        with home.database.writing(durable=False) as connection:  # in which files get their place
            if connection.execute("SELECT 1 FROM content WHERE digest = ? AND present", (digest,)).fetchone() is None:
                path.unlink(missing_ok=True)
                removed += 1
    for path in home.paths.quarantine.iterdir():
        if path.lstat().st_ctime < home.now() - QUARANTINED_SECONDS:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def sweep(home: Home, *, young: int = 0) -> int:
    """Remove leftovers that are at least `young` seconds old, from whichever process; returns how many. Blocks. Raises
    OSError, sqlite3.Error.
    """
    removed = 0
    for folder in (home.paths.incoming, home.paths.claims):
        for path in sorted(folder.iterdir()):
            if _is_paused_upload(home, path.name) or (young and _age(home, path) < young):
                continue
            file = locks.acquire(path, write=False)
            if file is None:
                continue  # its writer lives, or has just ended it
            with file:
                if not _is_paused_upload(home, path.name):  # it may have been one that was just begun
                    path.unlink()
                    removed += 1
    return removed


def _is_paused_upload(home: Home, name: str) -> bool:
    if not name.startswith(PREFIX):
        return False
    row = home.database.connection.execute("SELECT 1 FROM uploads WHERE id = ?", (name.removeprefix(PREFIX),))
    return row.fetchone() is not None


def _age(home: Home, path: Path) -> float:
    try:
        return home.now() - path.stat().st_mtime
    except FileNotFoundError:
        return 0
