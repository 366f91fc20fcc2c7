"""Files of a container image's layers by path (OCI image spec, "layer.md"), read as a stream in bounded memory."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import cast

FILE_LIMIT = 8 * 1024**2  # bytes of a file that is wanted, and of a header; lists of images have a hundredth of it
LAYER_LIMIT = 16 * 1024**3  # bytes of an unpacked layer; what is larger is made to be
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_HIDDEN, _OPAQUE = ".wh.", ".wh..wh..opq"


class LayerError(Exception):
    """A layer cannot be read; the text says why, without a word of its content."""


def files(layers: Iterable[int], wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The files with a `wanted` path, as they are on top of all `layers` (open descriptors, lowest first). Blocks.

    Raises LayerError, OSError.
    """
    found: dict[str, bytes] = {}
    for descriptor in layers:
        try:
            with io.BufferedReader(cast("io.RawIOBase", _File(descriptor))) as raw:
                found = _layer(raw, wanted, found)
        except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, ValueError, UnicodeError):
            raise LayerError("a layer is no whole archive") from None
    return found


def _layer(
    raw: io.BufferedReader[io.RawIOBase], wanted: Callable[[str], bool], below: dict[str, bytes]
) -> dict[str, bytes]:
    magic = raw.peek(4)[:4]
    if magic == _ZSTD:
        raise LayerError("a layer is packed by zstd, which cannot be read here")
    unpacked = gzip.GzipFile(fileobj=raw) if magic.startswith(_GZIP) else raw
    stream = cast("io.BufferedReader", _Bounded(cast("io.BufferedIOBase", unpacked)))
    own: dict[str, bytes] = {}
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        while (member := archive.next()) is not None:
            vars(archive)["members"] = []  # otherwise all of them stay in memory
            path = str(PurePosixPath("/", member.name))[1:]
            folder, _, name = path.rpartition("/")
            if name == _OPAQUE:
                below = _without(below, folder, itself=False)
            elif name.startswith(_HIDDEN):
                below = _without(below, f"{folder}/{name[len(_HIDDEN) :]}".lstrip("/"))
            elif not member.isdir():
                below = _without(below, path)
                if wanted(path):
                    own[path] = _content(archive, member)
    return {**below, **own}


def _without(found: dict[str, bytes], path: str, *, itself: bool = True) -> dict[str, bytes]:
    start = f"{path}/" if path else ""
    return {key: body for key, body in found.items() if not key.startswith(start) and not (itself and key == path)}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if not member.isreg() or member.size > FILE_LIMIT:
        raise LayerError("a file that is wanted is a link, or too large")
    file = archive.extractfile(member)
    body = file.read() if file else b""
    if len(body) != member.size:
        raise LayerError("a layer is no whole archive")
    return body


class _File(io.RawIOBase):
    """A descriptor from its beginning, whatever its offset, which belongs to nobody. Stays open."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._offset = descriptor, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        assert whence == os.SEEK_SET  # noqa: S101 - nothing here needs more
        self._offset = offset
        return offset

    def tell(self) -> int:
        return self._offset

    def readinto(self, buffer: object) -> int:
        read = os.preadv(self._descriptor, [cast("bytearray", buffer)], self._offset)
        self._offset += read
        return read


class _Bounded:
    """What tarfile reads from: no read asks for much memory, none leads back, none goes beyond LAYER_LIMIT."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        if size > FILE_LIMIT + tarfile.BLOCKSIZE:
            raise LayerError("a header of a layer is too large")
        return self._stream.read(size)

    def seek(self, offset: int) -> int:
        if offset > LAYER_LIMIT:
            raise LayerError("a layer is too large")
        if offset < self._stream.tell():  # a negative size; it would be followed for ever
            raise LayerError("a layer is no whole archive")
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()
