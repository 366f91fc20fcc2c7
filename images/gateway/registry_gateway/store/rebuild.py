"""The index built anew from what is on disk: blobs by their files, names and tags by the layouts.

Uploads, leases and links of blobs that no manifest names are gone afterwards; last use is the time of the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from pathlib import Path

from registry_gateway import names
from registry_gateway.store import content, database, durable, entries, layout, manifests, stamps
from registry_gateway.store.errors import PASSING, DamagedError, ManifestInvalidError
from registry_gateway.store.paths import ALGORITHMS, Paths, repository_of, split


def is_wanted(paths: Paths) -> bool:
    """Whether there is no index that can be used. Nobody may have the store open."""
    if paths.rebuild_wanted.exists() or not paths.index.exists():
        return True
    try:
        database.Database(paths.index).close()
    except DamagedError:
        return True
    return False


def rebuild(paths: Paths) -> None:
    """Build the index and put it in place of what is there. Nobody may have the store open. Raises OSError."""
    draft = paths.index.with_name(f".{paths.index.name}.draft")
    draft.unlink(missing_ok=True)
    connection = database.create(draft)
    try:
        connection.execute("BEGIN")
        for algorithm in ALGORITHMS:
            _blobs(connection, paths.blobs / algorithm, algorithm)
        for folder in sorted(paths.repositories.iterdir()):
            if name := repository_of(folder.name):
                _repository(connection, paths, folder, name)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    for suffix in ("-wal", "-shm"):  # of the old index; the new one would be damaged by them
        paths.index.with_name(paths.index.name + suffix).unlink(missing_ok=True)
    os.replace(draft, paths.index)  # noqa: PTH105 - the step by step tests watch the functions of `os`
    paths.rebuild_wanted.unlink(missing_ok=True)
    durable.sync_folder(paths.root)


def _blobs(connection: sqlite3.Connection, folder: Path, algorithm: str) -> None:
    with os.scandir(folder) as found:
        files = ((f"{algorithm}:{one.name}", stat) for one in found if (stat := _stat(one)) is not None)
        connection.executemany(
            "INSERT INTO content (digest, size, present, used) VALUES (?, ?, 1, ?)",
            ((digest, stat.st_size, int(stat.st_mtime)) for digest, stat in files if names.is_digest(digest)),
        )


def _stat(one: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return one.stat()
    except OSError as error:
        if error.errno in PASSING:
            raise
        return None  # gone, or lost by the disk: not here


def _repository(connection: sqlite3.Connection, paths: Paths, folder: Path, name: str) -> None:
    try:
        index = (folder / "index.json").read_bytes()
    except OSError as error:
        if error.errno in PASSING:
            raise
        if not isinstance(error, FileNotFoundError):  # then the repository's first manifest was not acknowledged
            _keep(folder / "index.json")
        return
    repository = entries.make_repository(connection, name)
    connection.execute("UPDATE repositories SET written = revision WHERE id = ?", (repository,))
    for key, stamp in layout.read_removed(index).items():
        stamps.bury(connection, repository, key, stamp)
    for entry in layout.read(index):
        identity = content.identify(connection, entry.digest, entry.size, 0)
        parsed = _parsed(paths, entry)
        if parsed is None:
            # Unreadable, or gone: the name stays, so that the content can be repaired.
            connection.execute("UPDATE content SET present = 0 WHERE id = ?", (identity,))
            parsed = manifests.Parsed(entry.media_type, (), None, "", "")
        entries.add_manifest(connection, repository, identity, parsed, now=0, stamp=entry.stored)
        if entry.tag:
            entries.set_tag(connection, repository, entry.tag, identity, now=0, stamp=entry.tagged)


def _keep(index: Path) -> None:
    """What cannot be read now must not be written over, nor keep the other repositories from being rebuilt."""
    with contextlib.suppress(OSError):
        index.rename(index.with_name("index.json.unreadable"))


def _parsed(paths: Paths, entry: layout.Entry) -> manifests.Parsed | None:
    algorithm, value = split(entry.digest)
    try:
        found = paths.blob(entry.digest).read_bytes()
        if hashlib.new(algorithm, found).hexdigest() != value:
            return None
        return manifests.parse(found, entry.media_type)
    except OSError as error:
        if error.errno in PASSING:
            raise
        return None
    except ManifestInvalidError:
        return None
