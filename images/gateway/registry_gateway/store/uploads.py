"""Uploads that may take several requests, to any of the processes (distribution spec, "Pushing a blob in chunks")."""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import sqlite3
from collections import OrderedDict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from registry_gateway.store import locks
from registry_gateway.store.behind import Behind
from registry_gateway.store.commit import commit
from registry_gateway.store.errors import (
    ClosedError,
    DigestMismatchError,
    OffsetMismatchError,
    UnwritableError,
    UploadBusyError,
    UploadUnknownError,
)
from registry_gateway.store.home import Home
from registry_gateway.store.incoming import OPEN, Writer
from registry_gateway.store.paths import Paths

if TYPE_CHECKING:
    from hashlib import _Hash

PREFIX = "upload-"
_ID = re.compile(r"[0-9a-f]{32}")
_REMEMBERED = 256  # uploads whose hash this process could go on with


class Uploads:
    """Uploads of at most `limit` bytes each. Everything raises StoreError."""

    def __init__(self, home: Home, *, limit: int) -> None:
        self._home, self._limit = home, limit
        self._hashes: OrderedDict[str, tuple[int, tuple[str, _Hash]]] = OrderedDict()  # id → offset, algorithm and hash

    async def start(self, name: str) -> str:
        """Begin an upload to the repository `name`; returns its id."""
        return await self._home.write(self._start, name)

    async def room(self) -> int:
        """Bytes that are free on the data directory's disk."""

        def find() -> int:
            disk = os.statvfs(self._home.paths.root)
            return disk.f_bavail * disk.f_frsize

        return await self._home.read(find)

    async def offset(self, name: str, identity: str) -> int:
        """How many bytes of an upload are here. Raises UploadUnknownError."""
        return await self._home.read(self._offset, name, identity)

    async def resume(self, name: str, identity: str, *, offset: int | None = None) -> Session:
        """Go on with an upload, at `offset` if that is given. Raises UploadUnknownError, UploadBusyError and
        OffsetMismatchError.
        """
        writer = await self._home.write(self._open, name, identity, offset)
        return Session(self._home, self, name, identity, writer)

    async def cancel(self, name: str, identity: str) -> None:
        """End an upload and forget what came of it. Raises UploadUnknownError, UploadBusyError."""
        await (await self.resume(name, identity)).cancel()

    async def expire(self, *, older: int) -> int:
        """End uploads to which nothing came for `older` seconds; returns how many."""
        return await self._home.keep(self._expire, self._home.now() - older)

    def remember(self, identity: str, writer: Writer) -> None:
        """Keep the hash of an upload that pauses, in case it goes on in this process."""
        if writer.hashed is not None:
            self._hashes[identity] = writer.offset, writer.hashed
            while len(self._hashes) > _REMEMBERED:
                self._hashes.popitem(last=False)

    def _start(self, name: str) -> str:
        self._home.paths.repository(name)
        identity = secrets.token_hex(16)
        writer = Writer.create(self._home.paths, limit=self._limit, name=PREFIX + identity)
        try:
            with self._home.database.writing(durable=False) as connection:
                connection.execute(
                    "INSERT INTO uploads (id, repository, touched) VALUES (?, ?, ?)", (identity, name, self._home.now())
                )
        except BaseException:
            writer.discard()
            raise
        self.remember(identity, writer)
        writer.close()
        return identity

    def _offset(self, name: str, identity: str) -> int:
        try:
            return self._known(name, identity).stat().st_size
        except FileNotFoundError:
            raise _unknown() from None

    def _open(self, name: str, identity: str, offset: int | None) -> Writer:
        path = self._known(name, identity)
        file = _lock(path)
        if file is None:
            if path.exists():
                raise UploadBusyError("another request writes to this upload now; ask where it stands, then go on")
            raise _unknown()
        size = os.fstat(file.fileno()).st_size
        if offset is not None and offset != size:
            file.close()
            raise OffsetMismatchError(size)
        known = self._hashes.pop(identity, (-1, None))
        return Writer(path, file, limit=self._limit, offset=size, hashed=known[1] if known[0] == size else None)

    def _known(self, name: str, identity: str) -> Path:
        row = self._home.database.connection.execute(
            "SELECT 1 FROM uploads WHERE id = ? AND repository = ?", (identity, name)
        ).fetchone()
        if row is None or not _ID.fullmatch(identity):
            raise _unknown()
        return path_of(self._home.paths, identity)

    def _expire(self, before: int) -> int:
        rows = self._home.database.connection.execute("SELECT id FROM uploads WHERE touched < ?", (before,)).fetchall()
        ended, failure = 0, None
        for (identity,) in rows:
            try:
                ended += self._end(identity)
            except OSError as error:
                failure = failure or error  # the other uploads end all the same
        if failure is not None:
            raise failure
        return ended

    def _end(self, identity: str) -> bool:
        """End an upload unless it is being written to; whether it ended."""
        path = path_of(self._home.paths, identity)
        with contextlib.ExitStack() as held:
            file = locks.acquire(path, write=False)
            if file is not None:
                held.enter_context(file)
            elif path.exists():
                return False
            with self._home.database.writing(durable=False) as connection:
                connection.execute("DELETE FROM uploads WHERE id = ?", (identity,))
            if file is not None:
                path.unlink()
        return True


class Session:
    """One request's part in an upload, which nobody else writes to meanwhile. Close it: the upload stays, unless it
    was committed or cancelled.
    """

    def __init__(self, home: Home, uploads: Uploads, name: str, identity: str, writer: Writer) -> None:
        self._home, self._uploads, self._name, self._identity = home, uploads, name, identity
        self._writer, self._behind = writer, Behind(home, writer)

    async def write(self, data: bytes) -> None:
        """Append `data`. Raises TooLargeError, with which it can go on, or UnwritableError, with which it ends."""
        await self._behind.write(data)

    async def offset(self) -> int:
        """How many bytes the upload has, with all that was written. Raises what writing it raised."""
        await self._behind.drain()
        return self._writer.offset

    async def commit(self, digest: str) -> None:
        """Make it the content of `digest` in the repository and end the upload. Raises DigestMismatchError, which ends
        it too: what was sent cannot become right by sending more.
        """
        await self._behind.drain()
        try:
            await self._home.write(commit, self._home, self._writer, self._name, digest, also=self._forget)
        except DigestMismatchError:
            await self.cancel()
            raise

    async def cancel(self) -> None:
        """End the upload and forget what came of it."""
        await self._behind.settle()
        await self._home.write(self._cancel)

    async def close(self) -> None:
        """Let others go on with it. One for which the disk had no room ends: it would keep the disk full."""
        if isinstance(await self._behind.settle(), UnwritableError):
            await self.cancel()
        else:
            try:
                await self._home.write(self._pause)
            except ClosedError:
                self._writer.close()  # who opens the store again goes on with it

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    def _forget(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM uploads WHERE id = ?", (self._identity,))

    def _cancel(self) -> None:
        self._writer.discard()
        with self._home.database.writing(durable=False) as connection:
            self._forget(connection)

    def _pause(self) -> None:
        if self._writer.closed:
            return
        self._uploads.remember(self._identity, self._writer)
        self._writer.close()
        with self._home.database.writing(durable=False) as connection:
            connection.execute("UPDATE uploads SET touched = ? WHERE id = ?", (self._home.now(), self._identity))


def path_of(paths: Paths, identity: str) -> Path:
    """The file of an upload."""
    return paths.incoming / (PREFIX + identity)


def _lock(path: Path) -> io.FileIO | None:
    """Lock the file of an upload to write to it; None when somebody else has it, or it is not there.

    A process that died during a commit left it sealed. Its mode is changed only by who has the lock: a commit that goes
    on must not find it changed.
    """
    try:
        return locks.acquire(path)
    except PermissionError:
        file = locks.acquire(path, write=False)
        if file is None:
            return None
        with file:
            os.fchmod(file.fileno(), OPEN)
    return locks.acquire(path)


def _unknown() -> UploadUnknownError:
    return UploadUnknownError("there is no such upload; start it again")
