"""What can go wrong with the store. Messages are meant for a person, and quote no exception."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


class StoreError(Exception):
    """Anything below; `message` says what is wrong and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidNameError(StoreError):
    """No repository name, tag or digest that the store can hold."""


class UnknownError(StoreError):
    """The repository, or what was asked of it, is not here."""


class ManifestInvalidError(StoreError):
    """A manifest that breaks the image spec; the message names the field."""


class ContentMissingError(StoreError):
    """A manifest names content that its repository does not have: `digests`."""

    def __init__(self, digests: tuple[str, ...]) -> None:
        super().__init__(f"push these first: {', '.join(digests[:5])}{' and more' if len(digests) > 5 else ''}")
        self.digests = digests


class DigestMismatchError(StoreError):
    """Content is not what its digest says."""


class TooLargeError(StoreError):
    """Content is longer than was announced or is allowed."""


class UploadUnknownError(StoreError):
    """No such upload: it ended, expired, or never was."""


class UploadBusyError(StoreError):
    """Another request writes to that upload now."""


class OffsetMismatchError(StoreError):
    """A chunk does not start where the upload stands, at `offset` bytes."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the next chunk must start at byte {offset}")
        self.offset = offset


class FetchFailedError(StoreError):
    """Content that was followed while it arrived did not arrive whole."""


class UnwritableError(StoreError):
    """Nothing can be stored now; what is stored can be read."""


class NoSpaceError(UnwritableError):
    """The disk, or its quota, is full."""


class ReadOnlyError(UnwritableError):
    """The data directory may not be written to."""


class BrokenError(StoreError):
    """The disk failed."""


class MediumError(BrokenError):
    """The disk has lost content, or its place: it will not give it at the next try either."""


class ClosedError(StoreError):
    """The store was closed under who uses it still."""


class DamagedError(StoreError):
    """The index cannot be used; it is rebuilt when the store is opened by nobody else."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)

# The data or its place is lost, as the block layer and file systems that verify say.
LOST = (errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.ENODATA, errno.EREMOTEIO)
# The process or the machine lacks something; no word about what is on the disk.
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)

# What a repetition cannot mend: pages or the header are wrong, or a table is not there (SQLITE_ERROR).
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, None)


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the operating system and of SQLite into the store's own."""
    try:
        yield
    except OSError as error:
        raise _of_system(error) from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.NotSupportedError):
        raise  # a defect of ours, not of the disk
    except sqlite3.DatabaseError as error:
        raise _of_sqlite(error) from error


def _of_system(error: OSError) -> StoreError:
    if error.errno in _FULL:
        return NoSpaceError("the data directory's disk is full; free space or lower the store's size")
    if error.errno in _FORBIDDEN:
        return ReadOnlyError("the data directory cannot be written to; check its mount, owner and mode")
    name = errno.errorcode.get(error.errno or 0, "an unknown error")
    kind = MediumError if error.errno in LOST else BrokenError
    return kind(f"the data directory's disk answered {name}; check the disk and the kernel's log")


def _of_sqlite(error: sqlite3.DatabaseError) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None  # extended codes have the primary one in the low byte
    if primary == sqlite3.SQLITE_FULL:
        return NoSpaceError("the index's disk is full; free space or lower the store's size")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return ReadOnlyError("the index cannot be written to; check the data directory's mount, owner and mode")
    if primary == sqlite3.SQLITE_BUSY:
        return BrokenError("the index was locked for too long; check the disk and for processes that hang on it")
    if primary == sqlite3.SQLITE_IOERR:
        return BrokenError("the index could not be read or written; check the disk and the kernel's log")
    name = getattr(error, "sqlite_errorname", "an unknown error")
    if primary not in _DAMAGE:
        return BrokenError(f"the index answered {name}; when it lasts, check the disk and the kernel's log")
    return DamagedError(
        f"the index is damaged ({name}); stop all processes of the store, it is rebuilt at the next start"
    )
