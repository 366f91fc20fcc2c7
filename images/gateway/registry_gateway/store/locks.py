"""Locks that the kernel drops with their holder: flock(2) on the file that is meant, for processes of one machine.

Whoever removes a locked file's name holds its lock; so a lock counts only while the name still leads to the file.
"""

from __future__ import annotations

import fcntl
import io
import os
from pathlib import Path


def acquire(path: Path, *, create: bool = False, write: bool = True) -> io.FileIO | None:
    """Lock the file at `path` for this holder alone; None when it has another, or is not there and not to be made.

    The lock ends when what is returned is closed. Without `write` the file may be one that cannot be written to.
    Raises OSError.
    """
    flags = (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    while True:
        try:
            file = io.FileIO(os.open(path, flags, 0o600), "r+" if write else "r")
        except FileNotFoundError:
            if create:
                raise
            return None
        if not _locked(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB):
            file.close()
            return None
        if leads_to(path, file.fileno()):
            return file
        file.close()


def wait_for_folder(folder: Path, *, wait: bool = True) -> int | None:
    """Lock a folder for this holder alone; close the descriptor to end it. None when it is gone, or busy without
    `wait`. Raises OSError.
    """
    while True:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if not _locked(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)):
            os.close(descriptor)
            return None
        if leads_to(folder, descriptor):
            return descriptor
        os.close(descriptor)


def share(descriptor: int) -> None:
    """Hold `descriptor` together with others, and wait while somebody has it alone. An own lock is exchanged."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def try_alone(descriptor: int) -> bool:
    """Hold `descriptor` alone, if nobody else holds it at all."""
    return _locked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def release(descriptor: int) -> None:
    """Give up the lock on `descriptor`."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_held(descriptor: int) -> bool:
    """Whether somebody else holds the file of `descriptor` alone; this description must hold nothing itself."""
    if not _locked(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB):
        return True
    release(descriptor)
    return False


def leads_to(path: Path, descriptor: int) -> bool:
    """Whether `path` is a name of the file of `descriptor`."""
    try:
        named, held = path.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)


def _locked(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    return True
