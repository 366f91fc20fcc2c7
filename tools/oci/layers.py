"""Layers as tar files that are equal byte for byte when their content is."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

EPOCH = 0  # SOURCE_DATE_EPOCH of every entry


@dataclass(frozen=True)
class Entry:
    """One member of a layer: a file (content), a symbolic link (link) or a directory (neither)."""

    name: str
    content: bytes | Path | None = None
    link: str = ""
    mode: int = 0o755


def write_layer(tar: Path, entries: Iterable[Entry]) -> None:
    """Writes `entries`, sorted by name and owned by root; parent directories must be entries themselves if wanted."""
    with tarfile.open(tar, "w", format=tarfile.GNU_FORMAT) as archive:
        for entry in sorted(entries, key=lambda entry: entry.name):
            _add(archive, entry)


def tree(folder: Path, *, below: str, wanted: Callable[[str], bool] = lambda _: True) -> list[Entry]:
    """`folder` as entries below the path `below`; `wanted` is asked with each path relative to `folder`."""
    parents = below.strip("/").split("/")
    entries = [Entry("/".join(parents[: depth + 1])) for depth in range(len(parents))]
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).as_posix()
        name = f"{parents[0]}/{inside}" if len(parents) == 1 else "/".join([*parents, inside])
        if not wanted(inside):
            continue
        if path.is_symlink():
            entries.append(Entry(name, link=str(path.readlink())))
        elif path.is_dir():
            entries.append(Entry(name))
        else:
            entries.append(Entry(name, path, mode=0o755 if path.stat().st_mode & 0o100 else 0o644))
    return entries


def filter_layer(source: Path, target: Path, *, wanted: Callable[[str], bool], extra: Iterable[Entry] = ()) -> None:
    """Copies the members of tar `source` that `wanted` accepts (path without `./`), sorted, with times set to EPOCH.

    Device nodes are left out: the container runtime makes its own.
    """
    with tarfile.open(source) as old, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as new:
        members = {member.name.removeprefix("./").strip("/"): member for member in old}
        for name in sorted(members):
            member = members[name]
            if not name or name == "." or not wanted(name) or member.isdev():
                continue
            content = old.extractfile(member) if member.isreg() else None
            member.name, member.mtime = name, EPOCH
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            if member.islnk():
                member.linkname = member.linkname.removeprefix("./")
            new.addfile(member, content)
        for entry in extra:
            _add(new, entry)


def _add(archive: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.name)
    info.mode, info.mtime = entry.mode, EPOCH
    if entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        archive.addfile(info)
    elif entry.content is None:
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    else:
        content = entry.content if isinstance(entry.content, bytes) else entry.content.read_bytes()
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
