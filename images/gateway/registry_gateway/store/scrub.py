"""Scrub: stored content hashed again at a set rate; what is wrong is put aside and reported."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from registry_gateway.pace import Pace
from registry_gateway.store import reading
from registry_gateway.store.errors import MediumError
from registry_gateway.store.home import Home
from registry_gateway.store.paths import split
from registry_gateway.store.quarantine import note_missing, quarantine

if TYPE_CHECKING:
    import io
    from hashlib import _Hash

_PIECE = 1024 * 1024  # bytes read in one go of the thread
_NEXT = "SELECT id, digest FROM content WHERE present AND id > ? ORDER BY id LIMIT 64"


class Verdict(StrEnum):
    """What content was found to be."""

    GOOD = "Good"
    WRONG = "Wrong"  # put aside; also what the disk does not give
    MISSING = "Missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One piece of content; `cursor` is where a scrub that ends here can go on."""

    digest: str
    verdict: Verdict
    size: int
    cursor: int


async def scrub(home: Home, *, rate: int, cursor: int = 0) -> AsyncIterator[Finding]:
    """Go through all content behind `cursor`, reading `rate` bytes a second at most (0: all there are). Raises
    StoreError.
    """
    pace = Pace(rate)
    while rows := await home.keep(_next, home, cursor):
        for identity, digest in rows:
            verdict, size = await _judge(home, digest, pace)
            cursor = identity
            yield Finding(digest, verdict, size, cursor)


def _next(home: Home, cursor: int) -> list[tuple[int, str]]:
    return home.database.connection.execute(_NEXT, (cursor,)).fetchall()


async def _judge(home: Home, digest: str, pace: Pace) -> tuple[Verdict, int]:
    try:
        file = await home.keep(reading.open_file, home.paths.blob(digest))
    except MediumError:
        await home.keep(quarantine, home, digest, None)
        return Verdict.WRONG, 0
    if file is None:
        known = await home.keep(note_missing, home, digest)
        return (Verdict.MISSING if known else Verdict.GOOD), 0  # removed a moment ago: nothing is wrong with that
    with file:
        algorithm, value = split(digest)
        found, offset = hashlib.new(algorithm), 0
        with contextlib.suppress(MediumError):  # then what could be read does not have the digest
            while length := await home.keep(_piece, file, found, offset):
                offset += length
                await pace.spent(length)
            if found.hexdigest() == value:
                return Verdict.GOOD, offset
        await home.keep(quarantine, home, digest, file.fileno())
        return Verdict.WRONG, offset


def _piece(file: io.FileIO, found: _Hash, offset: int) -> int:
    try:
        piece = os.pread(file.fileno(), _PIECE, offset)
    except OSError:  # once more: whoever is put aside has to be fetched
        piece = os.pread(file.fileno(), _PIECE, offset)
    found.update(piece)
    os.posix_fadvise(file.fileno(), offset, len(piece), os.POSIX_FADV_DONTNEED)  # memory is for what is pulled
    return len(piece)
