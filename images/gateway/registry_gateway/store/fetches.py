"""One fetch per digest on this machine: who has the claim fetches, all others follow the file.

The claim is a locked file; its content, once the length is known, says which file grows. It dies with its holder, and
whoever looks next takes over. It is held until the entry of what came can be found: who comes between waits.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from registry_gateway.store import locks
from registry_gateway.store.behind import Behind
from registry_gateway.store.commit import adopt, commit
from registry_gateway.store.errors import ClosedError, TooLargeError, translated
from registry_gateway.store.growing import POLL, Growing, Watch
from registry_gateway.store.home import Home
from registry_gateway.store.incoming import Writer
from registry_gateway.store.paths import split


class Fetches:
    """Claims and who follows them. A miss is served so, until something is found:

    `contents.blob`, else `claim` (fetch it), else `follow` (it comes), else from the beginning.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._watches: dict[tuple[str, str], Watch] = {}  # digest, name of the file

    async def claim(self, name: str, digest: str) -> Claim | None:
        """The right to fetch `digest` for the repository `name`. None when somebody has it, or the content is here
        already: then the repository has it too from now on. Raises StoreError.
        """
        file = await self._home.write(self._claim, name, digest)
        return None if file is None else Claim(self._home, self, name, digest, file)

    async def follow(self, digest: str) -> Growing | None:
        """The content of `digest` while it comes; waits until its length is known. None when nobody fetches it (any
        more): look again. Raises StoreError.
        """
        with translated():
            return await self._find(digest)

    def grown(self, digest: str, name: str) -> None:
        """Wake those of this process who follow that file."""
        watch = self._watches.get((digest, name))
        if watch is not None:
            watch.look()

    async def _find(self, digest: str) -> Growing | None:
        try:
            descriptor = os.open(self._home.paths.claim(digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with io.FileIO(descriptor, "r") as claim:
            while not (line := os.pread(claim.fileno(), 256, 0)).endswith(b"\n"):
                if os.fstat(claim.fileno()).st_nlink == 0 or not locks.is_held(claim.fileno()):
                    return None
                await asyncio.sleep(POLL)
            document = json.loads(line)
            while locks.is_held(claim.fileno()):
                if growing := self._follow(digest, document["file"], document["total"]):
                    return growing
                await asyncio.sleep(POLL)  # the file has its place already, and its entry is being written
        return None

    def _follow(self, digest: str, name: str, total: int) -> Growing | None:
        key = digest, name
        watch = self._watches.get(key)
        if watch is None:
            try:
                descriptor = os.open(self._home.paths.incoming / name, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            watch = self._watches[key] = Watch(io.FileIO(descriptor, "r"), total)
        watch.followers += 1

        def left(watch: Watch) -> None:
            watch.followers -= 1
            if not watch.followers:
                del self._watches[key]
                watch.close()

        return Growing(self._home, watch, left=left)

    def _claim(self, name: str, digest: str) -> io.FileIO | None:
        if adopt(self._home, name, digest):
            return None
        path = self._home.paths.claim(digest)
        file = locks.acquire(path, create=True)
        if file is None:
            return None
        if adopt(self._home, name, digest):  # it came between the two looks
            path.unlink()
            file.close()
            return None
        file.truncate(0)  # what a dead holder had written
        return file


@dataclass(slots=True)
class _Part:
    writer: Writer
    behind: Behind


class Claim:
    """The one fetch of `digest`: `begin`, `write` as it comes, `commit`. Left without a commit it is given up, and
    those who follow fail.
    """

    def __init__(self, home: Home, fetches: Fetches, name: str, digest: str, file: io.FileIO) -> None:
        self.digest = digest
        self._home, self._fetches, self._name, self._file = home, fetches, name, file
        self._part: _Part | None = None

    async def begin(self, total: int) -> None:
        """Say how many bytes will come; from now on others can follow. Raises StoreError."""
        writer = await self._home.write(self._begin, total)
        grown = partial(self._fetches.grown, self.digest, writer.path.name)
        self._part = _Part(writer, Behind(self._home, writer, grown=grown))

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises TooLargeError beyond the total, UnwritableError."""
        await self._begun.behind.write(data)

    async def commit(self) -> None:
        """All came: verify, store and link it. Raises DigestMismatchError, UnwritableError: then it is given up."""
        part = self._begun
        try:
            await part.behind.drain()
            await self._home.write(commit, self._home, part.writer, self._name, self.digest)
        finally:
            await self.end()

    async def end(self) -> None:
        """Give the claim back, and give up what was not committed. May be called again."""
        try:
            if self._part is not None:
                await self._part.behind.settle()
        finally:
            await self._give_back()

    async def _give_back(self) -> None:
        if not self._file.closed:
            try:
                await self._home.write(self._end)
            except ClosedError:  # the files are swept later, if only nobody has them locked
                self._let_go()
        if self._part is not None:
            self._fetches.grown(self.digest, self._part.writer.path.name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.end()

    @property
    def _begun(self) -> _Part:
        assert self._part is not None, "begin() first"  # noqa: S101 - a defect of ours
        return self._part

    def _begin(self, total: int) -> Writer:
        if total < 0:
            raise TooLargeError("the length must not be negative")
        writer = Writer.create(self._home.paths, limit=total, algorithm=split(self.digest)[0])
        line = json.dumps({"total": total, "file": writer.path.name}) + "\n"
        try:
            os.pwrite(self._file.fileno(), line.encode(), 0)
        except OSError:
            writer.discard()
            raise
        return writer

    def _let_go(self) -> None:
        if self._part is not None:
            self._part.writer.close()
        self._file.close()

    def _end(self) -> None:
        if self._part is not None:
            self._part.writer.discard()
        self._home.paths.claim(self.digest).unlink(missing_ok=True)
        self._file.close()
