"""The index: SQLite in WAL mode, a connection per thread, one transaction that writes at a time.

Readers see the last commit and wait for nobody. `synchronous=FULL`: a commit is on disk before anything follows from
it (an answer to a push, a new index.json), so that the layout is never ahead of the index after a power cut.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry_gateway.store import schema
from registry_gateway.store.errors import DamagedError, translated

_PATIENCE = 30.0  # seconds that a writer waits for those of other processes
_CACHE, _CACHE_OF_BUILD = -2048, -65536  # KiB of pages per connection; digests come in no order


class Database:
    """The index at `path`, which must be there (see `create`). Raises DamagedError when it plainly is no such index."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self._path, self._writable = path, writable
        self._own = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._registering, self._writing = threading.Lock(), threading.Lock()
        try:
            with translated():
                self._look()
        except BaseException:
            self.close()
            raise

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection: for single reads."""
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None:
            found = self._own.connection = self._connect()
            with self._registering:
                self._all.append(found)
        return found

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Several reads of one state."""
        connection = self.connection
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            if connection.in_transaction:  # some errors of SQLite have ended it already
                connection.execute("ROLLBACK")

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction, committed at the end of the block and undone by an exception.

        Without `durable` a power cut may undo it, as long as nothing durable came after it.
        """
        connection = self.connection
        with self._writing:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # some errors of SQLite have ended it already
                    connection.execute("ROLLBACK")
                raise

    def is_sound(self) -> bool:
        """Whether all of it can be read and fits together; takes time in proportion to its size."""
        try:
            return bool(self.connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
        except sqlite3.OperationalError:
            raise  # the disk, not the content
        except sqlite3.DatabaseError:
            return False

    def close(self) -> None:
        """End all connections; nobody may be using one."""
        with self._registering:
            while self._all:
                self._all.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._uri(), uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )
        connection.execute(f"PRAGMA cache_size = {_CACHE}")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _uri(self) -> str:
        if self._writable:
            return f"{self._path.absolute().as_uri()}?mode=rw"
        # On a disk that cannot be written to, a log that was left must be read, and one that is not there not made.
        left = self._path.with_name(self._path.name + "-wal").exists()
        return f"{self._path.absolute().as_uri()}?mode=ro{'' if left else '&immutable=1'}"

    def _look(self) -> None:
        if not self._path.is_file():
            raise DamagedError("there is no index; stop all processes of the store, it is built at the next start")
        found = self.connection.execute("PRAGMA application_id").fetchone()[0]
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if (found, version) != (schema.APPLICATION, schema.VERSION):
            raise DamagedError("the index is of another kind or version; stop all processes of the store to rebuild it")
        for table in schema.NAMES:
            self.connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()  # noqa: S608 - names of our own


def create(path: Path) -> sqlite3.Connection:
    """A new, empty index at `path`, to be filled and closed by the caller; in no use by anybody else.

    It is not durable before it is closed and synced: a build that was interrupted is thrown away.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = {_CACHE_OF_BUILD}")
    connection.executescript(schema.TABLES)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    connection.execute(f"PRAGMA user_version = {schema.VERSION}")
    return connection
