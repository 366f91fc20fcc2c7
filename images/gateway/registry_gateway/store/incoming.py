"""A file being written: hashed on the way, locked by its writer, moved into place only when it is what it should be.

A writer that dies leaves its file in `incoming/` without a lock, and the sweep removes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from registry_gateway.store import content, durable, locks
from registry_gateway.store.errors import DigestMismatchError, TooLargeError
from registry_gateway.store.paths import Paths, split

if TYPE_CHECKING:
    from hashlib import _Hash

WHOLE = 0o440  # the mode that says "this is all, and it is what its digest says" to those who follow the file
OPEN = 0o600  # the mode of a file that is being written
PIECE = 1024 * 1024  # bytes read at a time where a file is hashed again


class Writer:
    """The file at `path`, locked by `file`, of which `offset` bytes are there and hashed in `hashed` (None: not yet).

    Errors of the disk come as OSError; after one the writer can only be discarded.
    """

    def __init__(
        self, path: Path, file: io.FileIO, *, limit: int, offset: int = 0, hashed: tuple[str, _Hash] | None = None
    ) -> None:
        self.path, self.offset, self.hashed = path, offset, hashed
        self._file, self._limit = file, limit

    @classmethod
    def create(cls, paths: Paths, *, limit: int, algorithm: str = "sha256", name: str = "") -> Writer:
        """An empty file for at most `limit` bytes."""
        path = paths.incoming / (name or secrets.token_hex(16))
        file = locks.acquire(path, create=True)
        if file is None:
            raise FileExistsError(path)  # a name that nobody else can have guessed
        return cls(path, file, limit=limit, hashed=(algorithm, hashlib.new(algorithm)))

    @property
    def digest(self) -> str:
        """What was written, by the algorithm that was chosen. Only of a writer that has hashed all of it."""
        assert self.hashed is not None  # noqa: S101 - a defect of ours
        return f"{self.hashed[0]}:{self.hashed[1].hexdigest()}"

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`. Raises TooLargeError with nothing of it written."""
        if self.offset + len(data) > self._limit:
            raise TooLargeError(f"the content is longer than {self._limit} bytes")
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._file.fileno(), rest, self.offset)
            if self.hashed is not None:
                self.hashed[1].update(rest[:written])
            self.offset += written
            rest = rest[written:]

    def seal(self, digest: str) -> None:
        """Verify the content, mark it as whole and make it durable. Raises DigestMismatchError, InvalidNameError.

        A file that the disk did not take is removed: the kernel tells of that once, and the next `fsync` finds nothing.
        """
        algorithm, value = split(digest)
        if self.hashed is None or self.hashed[0] != algorithm:
            self.hashed = algorithm, hash_of(self._file.fileno(), algorithm)
        if self.hashed[1].hexdigest() != value:
            raise DigestMismatchError(f"the {self.offset} bytes received are not what their digest says")
        os.fchmod(self._file.fileno(), WHOLE)
        try:
            os.fsync(self._file.fileno())
        except OSError:
            with contextlib.suppress(OSError):  # the first error counts
                self.discard()
            raise

    def unseal(self) -> None:
        """Let a sealed file that is here and has not got its place be written to again. Raises OSError."""
        if not self.closed and locks.leads_to(self.path, self._file.fileno()):
            os.fchmod(self._file.fileno(), OPEN)

    def place(self, connection: sqlite3.Connection, paths: Paths, digest: str, now: int) -> int:
        """Give the sealed file its place, inside a transaction that writes; returns the id of its content.

        That transaction is what keeps others from removing the same content at the same time.
        """
        target = paths.blob(digest)
        if not content.is_whole(connection, digest, target):
            os.rename(self.path, target)  # noqa: PTH104 - the step by step tests watch the functions of `os`
            durable.sync_folder(target.parent)
            locks.release(self._file.fileno())  # those who read it lock it now
        return content.place(connection, digest, self.offset, now)

    @property
    def closed(self) -> bool:
        """Whether the file was let go of."""
        return self._file.closed

    def close(self) -> None:
        """Let go of the file, which stays."""
        self._file.close()

    def discard(self) -> None:
        """Remove the file, unless it has got its place, and let go of it."""
        if not self._file.closed:
            if locks.leads_to(self.path, self._file.fileno()):
                self.path.unlink()
            self._file.close()


def hash_of(descriptor: int, algorithm: str) -> _Hash:
    """The hash of a file from its beginning. Raises OSError."""
    found, offset = hashlib.new(algorithm), 0
    while piece := os.pread(descriptor, PIECE, offset):
        found.update(piece)
        offset += len(piece)
    return found
