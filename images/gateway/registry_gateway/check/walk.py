"""Images down to their last layers: manifest → children of an index → config and layers.

A runtime that pulls an image asks for just these. Manifests are read, blobs are asked for by HEAD. What several images
share is asked for once. Parts that wait to be asked for lie on a stack, so that an image is finished before the next
one begins, and `parallel` requests are under way as long as anything waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from registry_gateway.check import manifest
from registry_gateway.check.manifest import Entry
from registry_gateway.sources.base import Answer, Query, Reason, Source, SourceError, ignore
from registry_gateway.target import Kind

# Requests at a time, over all images. A container runtime loads three layers of an image at a time; a check may cost
# the registry what three nodes do that pull, on each control-plane node. Registries limit by requests per minute, and
# say so by 429; what that leads to is below and in `rounds`.
PARALLEL = 8
DEPTH_LIMIT = 3  # an index in an index is allowed; this bounds the work
HOPELESS_AFTER = 8  # failures of that kind in a row after which nothing more is asked in this walk

# Of these there is no use in asking for every image: each would wait for the same deadline, or count as another
# failed login with an account that locks.
CONCERNS_ALL = frozenset((Reason.UNREACHABLE, Reason.TLS_FAILED, Reason.UNAUTHORIZED))


@dataclass(slots=True, eq=False)
class Part:
    """A manifest or a blob and what came of asking for it: `host` is who answered, `size` in bytes and `media_type` as
    found, `error` of its own, and what is below it in the order of the manifest.
    """

    kind: Kind
    reference: str
    host: str
    depth: int
    size: int | None = None
    media_type: str = ""
    error: SourceError | None = None
    below: list[tuple[Entry, Part]] = field(default_factory=list)
    _left: int = 1  # itself, and parts below that are not done
    _above: list[Part] = field(default_factory=list)  # those that wait for it

    def verdict(self) -> SourceError | None:
        """The first thing that is missing or wrong, here or below; None when it is whole."""
        below = (part.fault(entry) or part.verdict() for entry, part in self.below)
        return self.error or next((error for error in below if error), None)

    def fault(self, entry: Entry) -> SourceError | None:
        """What is wrong with it alone, being what `entry` of a manifest describes."""
        if self.error:
            return self.error
        if None not in (self.size, entry.size) and self.size != entry.size:
            return manifest.wrong(
                self.host, self.reference, f"has {self.size} bytes where the manifest says {entry.size}"
            )
        return None

    def hang(self, entry: Entry, part: Part) -> None:
        """Put `part` below."""
        self.below.append((entry, part))
        if part._left:
            part._above.append(self)
            self._left += 1

    def done(self) -> list[Part]:
        """It was asked for, or a part below is done; returns what is done by that, itself included."""
        self._left -= 1
        if self._left:
            return []
        above, self._above = self._above, []
        return [self, *(done for part in above for done in part.done())]


class Walk:
    """One walk at one source, below the repository `rest` of its base. `requests` counts what was asked."""

    def __init__(self, source: Source, *, rest: str = "", parallel: int = PARALLEL) -> None:
        self.requests = 0
        self._source, self._rest, self._parallel = source, rest, parallel
        self._parts: dict[tuple[Kind, str], Part] = {}
        self._waiting: asyncio.LifoQueue[Part] = asyncio.LifoQueue()
        self._failures = 0  # in a row, of those that concern all
        self._hopeless: SourceError | None = None

    async def images(self, references: Iterable[str], found: Callable[[Part], None] = ignore) -> list[Part]:
        """Ask for all of `references` (digests, tags), first come first; `found` is told of each that is done."""
        roots = {reference: self._new(Kind.MANIFEST, reference, depth=0) for reference in references}
        self._push(roots.values())
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(found)) for _ in range(self._parallel)]
            await self._waiting.join()
            for worker in workers:
                worker.cancel()
        return list(roots.values())

    async def _work(self, found: Callable[[Part], None]) -> None:
        while True:
            part = await self._waiting.get()
            await self._visit(part)
            for done in part.done():
                if done.depth == 0:
                    found(done)
            self._waiting.task_done()

    async def _visit(self, part: Part) -> None:
        if self._hopeless:
            part.error = self._hopeless
            return
        try:
            if part.kind is Kind.MANIFEST:
                await self._manifest(part)
            else:
                part.size, part.host = await self._blob(part.reference)
            self._failures = 0
        except SourceError as error:
            part.error = error
            self._failures = self._failures + 1 if error.reason in CONCERNS_ALL or error.status == 429 else 0
            if self._failures >= HOPELESS_AFTER:
                self._hopeless = error

    async def _manifest(self, part: Part) -> None:
        async with self._ask(manifest.query(part.reference, rest=self._rest)) as answer:
            part.host = answer.source
            read = await manifest.read(answer, part.reference)
        part.size, part.media_type = read.size, read.media_type
        if read.is_index and part.depth == DEPTH_LIMIT:
            raise manifest.wrong(part.host, part.reference, "is an index too deep in others", "no runtime follows it")
        fresh = []
        for entry in read.entries:
            known = self._parts.get((entry.kind, entry.digest))
            if known is None:
                known = self._new(entry.kind, entry.digest, depth=part.depth + 1)
                fresh.append(known)
            part.hang(entry, known)
        self._push(fresh)

    async def _blob(self, digest: str) -> tuple[int | None, str]:
        """Its size in bytes, None when the registry does not tell, and who has it."""
        try:
            async with self._ask(Query(Kind.BLOB, self._rest, digest, method="HEAD")) as answer:
                return answer.length, answer.source
        except SourceError as error:
            if not error.redirected and error.status != 405:
                raise
        # Addresses of storage servers are often signed for GET only; one byte proves the same.
        async with self._ask(Query(Kind.BLOB, self._rest, digest, headers=(("Range", "bytes=0-0"),))) as answer:
            return None, answer.source

    @asynccontextmanager
    async def _ask(self, query: Query) -> AsyncIterator[Answer]:
        self.requests += 1
        answer = await self._source.fetch(query)
        try:
            yield answer
        finally:
            await answer.close()

    def _new(self, kind: Kind, reference: str, *, depth: int) -> Part:
        part = self._parts[kind, reference] = Part(kind, reference, self._source.label, depth)
        return part

    def _push(self, parts: Iterable[Part]) -> None:
        for part in reversed(list(parts)):  # the first one lies on top
            self._waiting.put_nowait(part)
