"""The OCI image layout of a repository: what any tool reads, and what the index is rebuilt from.

Every manifest of the repository is in index.json, once for each of its tags, once without a name when it has none.
The index comes first and index.json follows; whoever waits for its lock finds that one write served for all.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from registry_gateway import names
from registry_gateway.oci import INDEX_TYPES
from registry_gateway.store import durable, locks
from registry_gateway.store.database import Database
from registry_gateway.store.paths import ALGORITHMS, Paths

TAG = "org.opencontainers.image.ref.name"  # image spec, "annotations.md"
# Of ours, so that a rebuilt index knows which of two replicas' writes was the later (Unix milliseconds).
STORED, TAGGED, REMOVED = (f"registry.deckhouse.io/{what}" for what in ("stored", "tagged", "removed"))
_VERSION = b'{"imageLayoutVersion":"1.0.0"}'
_BLOBS = Path("../../blobs")
_DIGITS = re.compile(r"[0-9]{1,18}")

_BEHIND = "SELECT id, revision FROM repositories WHERE name = ? AND revision <> written"
_ENTRIES = """SELECT m.media_type, content.digest, content.size, coalesce(tags.name, ''), m.stamp,
  coalesce(tags.stamp, 0) FROM manifests m JOIN content ON content.id = m.content
LEFT JOIN tags ON tags.repository = m.repository AND tags.content = m.content
WHERE m.repository = ? ORDER BY content.digest, tags.name"""
_REMOVED = "SELECT key, stamp FROM gone WHERE repository = ? AND NOT collected ORDER BY key"


@dataclass(frozen=True, slots=True)
class Entry:
    """A manifest in index.json; `tag` is "" for none. `stored` and `tagged`: when that was, 0 for unknown."""

    media_type: str
    digest: str
    size: int
    tag: str
    stored: int = 0
    tagged: int = 0


def publish(paths: Paths, database: Database, name: str) -> None:
    """Make the layout of `name` say what the index says. Raises OSError, sqlite3.Error."""
    if database.connection.execute(_BEHIND, (name,)).fetchone() is None:
        return
    folder = paths.repository(name)
    descriptor = _locked(folder)
    try:
        with database.reading() as connection:
            row = connection.execute(_BEHIND, (name,)).fetchone()
            if row is None:
                return  # one write served for all who waited
            entries = [Entry(*found) for found in connection.execute(_ENTRIES, (row[0],))]
            removed = dict(connection.execute(_REMOVED, (row[0],)).fetchall())
        for draft in folder.glob(".*"):  # of a writer that died: drafts are made under this lock only
            draft.unlink()
        _complete(folder)
        durable.replace(folder / "index.json", render(entries, removed))
        with database.writing(durable=False) as connection:
            connection.execute("UPDATE repositories SET written = ? WHERE id = ?", (row[1], row[0]))
    finally:
        os.close(descriptor)


def unpublished(database: Database) -> list[str]:
    """Repositories whose layout is behind the index: their writers died in between."""
    rows = database.connection.execute("SELECT name FROM repositories WHERE revision <> written ORDER BY name")
    return [name for (name,) in rows]


def render(entries: list[Entry], removed: Mapping[str, int] = MappingProxyType({})) -> bytes:
    """The bytes of index.json; `removed` are tombstones: tags and digests, and when they went."""
    manifests = [_descriptor(entry) for entry in entries]
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": manifests}
    if removed:
        document["annotations"] = {REMOVED: json.dumps(dict(removed), separators=(",", ":"))}
    return json.dumps(document, separators=(",", ":")).encode()


def read(content: bytes) -> Iterator[Entry]:
    """The entries of an index.json; what is none is left out, for a damaged disk must not end a rebuild."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return
    manifests = document.get("manifests") if isinstance(document, dict) else None
    for entry in manifests if isinstance(manifests, list) else ():
        if (found := _entry(entry)) is not None:
            yield found


def read_removed(content: bytes) -> dict[str, int]:
    """The tombstones of an index.json; what is none is left out."""
    try:
        found = json.loads(json.loads(content)["annotations"][REMOVED])
        items = found.items()
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return {}
    return {key: stamp for key, stamp in items if isinstance(stamp, int) and names.is_reference(key)}


def _entry(value: object) -> Entry | None:
    if not isinstance(value, dict):
        return None
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    annotations = value.get("annotations") or {}
    tag = annotations.get(TAG, "") if isinstance(annotations, dict) else None
    if not (isinstance(media_type, str) and isinstance(digest, str) and isinstance(size, int)):
        return None
    if not names.is_digest(digest) or digest.partition(":")[0] not in ALGORITHMS:
        return None
    if not isinstance(tag, str) or (tag and not names.is_tag(tag)):
        return None
    return Entry(media_type, digest, size, tag, _stamp(annotations.get(STORED)), _stamp(annotations.get(TAGGED)))


def _stamp(value: object) -> int:
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else 0


def _descriptor(entry: Entry) -> dict[str, Any]:
    descriptor: dict[str, Any] = {"mediaType": entry.media_type, "digest": entry.digest, "size": entry.size}
    known = {TAG: entry.tag, STORED: entry.stored, TAGGED: entry.tagged}
    if annotations := {key: str(value) for key, value in known.items() if value}:
        descriptor["annotations"] = annotations
    return descriptor


def _locked(folder: Path) -> int:
    while (descriptor := locks.wait_for_folder(folder)) is None:
        durable.make_folder(folder)
    return descriptor


def _complete(folder: Path) -> None:
    if not (folder / "oci-layout").exists():
        durable.replace(folder / "oci-layout", _VERSION)
    if not (folder / "blobs").is_symlink():
        (folder / "blobs").symlink_to(_BLOBS)
        durable.sync_folder(folder)
