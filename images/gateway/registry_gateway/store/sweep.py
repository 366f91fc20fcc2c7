"""What dead writers left behind, removed: files in `incoming/` and `claims/` that nobody has locked."""

from __future__ import annotations

from registry_gateway.store import locks
from registry_gateway.store.home import Home
from registry_gateway.store.uploads import PREFIX


def sweep(home: Home) -> int:
    """Remove leftovers, from whichever process; returns how many. Blocks. Raises OSError, sqlite3.Error."""
    removed = 0
    for folder in (home.paths.incoming, home.paths.claims):
        for path in sorted(folder.iterdir()):
            if _is_paused_upload(home, path.name):
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
