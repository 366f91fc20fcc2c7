"""One image from other registries into the own store: what it consists of first, its name last.

What is here is neither fetched nor written again, so a copy that broke off goes on. Every part is asked of one source
after the other, and verified by the store. No copy is a push: pushes and deletions hold, whenever they are heard of.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from registry_gateway import names
from registry_gateway.check.manifest import MANIFEST_LIMIT, wrong
from registry_gateway.check.manifest import query as manifest_query
from registry_gateway.check.walk import DEPTH_LIMIT
from registry_gateway.oci import INDEX_TYPES
from registry_gateway.pace import Pace
from registry_gateway.sources.base import Answer, BodyError, Query, Reason, Source, SourceError, ignore
from registry_gateway.store import manifests
from registry_gateway.store.contents import Manifest
from registry_gateway.store.errors import (
    DigestMismatchError,
    FetchFailedError,
    ManifestInvalidError,
    StoreError,
    TooLargeError,
    UnknownError,
)
from registry_gateway.store.fetches import Claim
from registry_gateway.store.paths import split
from registry_gateway.store.stamps import COLLECTED, UNDATED, Stamped
from registry_gateway.store.store import Store
from registry_gateway.target import Kind

LOOK_AGAIN = 0.05  # seconds, when another process has just begun or ended the same fetch

Result = TypeVar("Result")


class Copier:
    """Copies into the repository `repository` of `store`, which is `rest` below the base of each source.

    `peers` are asked before `upstreams`; when none has it, what the first of `upstreams` said is the error. `counted`
    hears how many bytes came. Everything raises SourceError, and StoreError when the own store cannot take it.
    """

    def __init__(
        self,
        store: Store,
        repository: str,
        rest: str,
        *,
        peers: Sequence[Source] = (),
        upstreams: Sequence[Source] = (),
        pace: Pace,
        counted: Callable[[int], None] = ignore,
    ) -> None:
        self._store, self._repository, self._rest = store, repository, rest
        self._peers, self._upstreams = peers, upstreams
        self._pace, self._counted = pace, counted

    async def image(self, reference: str) -> None:
        """Make the image of a tag or digest whole. A tag is asked for always.

        It is set to what one of `upstreams` says, unless something happened to it meanwhile. What a peer says brings
        only content: the tag comes by comparing (`replicas.sync`), which knows of every replica when it was set.
        """
        if names.is_digest(reference):
            await self._whole(await self._stored(reference) or (await self._fetched(reference))[0])
            return
        known = await self._known(reference)
        found, source = await self._fetched(reference)
        await self._whole(found)
        # Comparing brings no tag that a collection removed here, so that one is set here, if it is expected again.
        if source in self._upstreams or (known is not None and known.value == COLLECTED):
            await self._store.changes.replace_tag(self._repository, reference, found.digest, known=known)

    async def manifest(self, digest: str) -> None:
        """Put the manifest of `digest` in its place again, its parts being here or not."""
        found, _ = await self._fetched(digest)
        await self._store.changes.put_manifest(
            self._repository, found.content, found.media_type, digest=digest, complete=False, stamp=UNDATED
        )

    async def blob(self, digest: str, size: int | None = None) -> None:
        """Fetch a blob, of `size` bytes if that is known, unless it is here or somebody else of this machine does."""

        async def attempt(source: Source) -> None:
            claim = await self._claim(digest)
            if claim is not None:
                async with claim, _asked(source, Query(Kind.BLOB, self._rest, digest)) as answer:
                    await self._write(claim, answer, digest, size)

        await self._first(digest, attempt)

    async def _whole(self, found: Manifest, *, depth: int = 0) -> None:
        """Fetch what a manifest consists of, then put it."""
        if found.media_type in INDEX_TYPES and depth == DEPTH_LIMIT:
            raise wrong(self._repository, found.digest, "is an index too deep in others", "no runtime follows it")
        try:
            parts = manifests.parse(found.content, found.media_type).children
        except ManifestInvalidError as error:
            raise _spoilt(found.digest, error) from None
        for part in parts:
            if found.media_type in INDEX_TYPES:
                child = await self._stored(part.digest) or (await self._fetched(part.digest))[0]
                await self._whole(child, depth=depth + 1)
            else:
                await self.blob(part.digest, part.size)
        await self._put(found)

    async def _put(self, found: Manifest) -> None:
        """Put a manifest that is not here. It has no date of its own; one that was removed is expected again."""
        try:
            await self._store.contents.has_manifest(self._repository, found.digest)
        except UnknownError:
            known = await self._known(found.digest)
            stamp = UNDATED if known is None else known.stamp + int(known.is_gone)
            await self._store.changes.put_manifest(
                self._repository, found.content, found.media_type, digest=found.digest, stamp=stamp
            )

    async def _write(self, claim: Claim, answer: Answer, digest: str, size: int | None) -> None:
        total = answer.length if size is None else size
        if total is None or answer.length not in (None, total):
            raise wrong(answer.source, digest, f"has {answer.length} bytes where the manifest says {size}")
        await claim.begin(total)
        async for piece in answer.body:
            await claim.write(bytes(piece))
            self._counted(len(piece))
            await self._pace.spent(len(piece))
        await claim.commit()

    async def _claim(self, digest: str) -> Claim | None:
        """The right to fetch it; None when it is here, after waiting for whoever was fetching it."""
        while (claim := await self._store.fetches.claim(self._repository, digest)) is None:
            if await self._is_here(digest):
                return None
            growing = await self._store.fetches.follow(digest)
            if growing is None:
                await asyncio.sleep(LOOK_AGAIN)
                continue
            async with growing:
                try:
                    async for _ in growing.pieces(max(0, growing.total - 1)):  # the last byte comes when it is verified
                        pass
                except FetchFailedError:
                    continue
        return claim

    async def _is_here(self, digest: str) -> bool:
        try:
            await self._store.contents.has_blob(self._repository, digest)
        except UnknownError:
            return False
        return True

    async def _stored(self, digest: str) -> Manifest | None:
        try:
            return await self._store.contents.manifest(self._repository, digest)
        except UnknownError:
            return None

    async def _known(self, key: str) -> Stamped | None:
        """What is known of a tag or a manifest's digest, its removal too."""
        try:
            found = await self._store.shared.current(self._repository, [key], collected=True)
        except UnknownError:  # of the whole repository
            return None
        return found[0] if found else None

    async def _fetched(self, reference: str) -> tuple[Manifest, Source]:
        """A manifest, and who gave it."""

        async def attempt(source: Source) -> tuple[Manifest, Source]:
            async with _asked(source, manifest_query(reference, rest=self._rest)) as answer:
                return await self._manifest(answer, reference), source

        return await self._first(reference, attempt)

    async def _manifest(self, answer: Answer, reference: str) -> Manifest:
        content = bytearray()
        async for piece in answer.body:
            content += piece
            if len(content) > MANIFEST_LIMIT:
                what = f"is a manifest above {MANIFEST_LIMIT} bytes"
                raise wrong(answer.source, reference, what, "no registry takes such")
        self._counted(len(content))
        await self._pace.spent(len(content))
        algorithm = split(reference)[0] if names.is_digest(reference) else "sha256"
        digest = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
        if names.is_digest(reference) and digest != reference:
            raise _other(answer.source, reference)
        body = bytes(content)
        return Manifest(digest, manifests.media_type(body, answer.headers.get("Content-Type", "")), body)

    async def _first(self, reference: str, attempt: Callable[[Source], Awaitable[Result]]) -> Result:
        """The result of the first source with which `attempt` succeeds."""
        errors: list[SourceError] = []
        for source in (*self._peers, *self._upstreams):
            try:
                return await attempt(source)
            except SourceError as error:
                errors.append(error)
            except BodyError:
                message = f"{source.label} did not send {reference} to its end; check the network"
                errors.append(SourceError(Reason.UNREACHABLE, message, host=source.label))
            except (DigestMismatchError, TooLargeError):
                errors.append(_other(source.label, reference))
        if not errors:
            raise SourceError(Reason.NOT_FOUND, f"there is no registry from which {reference} could be copied")
        raise errors[len(self._peers) if self._upstreams else 0]


@asynccontextmanager
async def _asked(source: Source, query: Query) -> AsyncIterator[Answer]:
    answer = await source.fetch(query)
    try:
        yield answer
    finally:
        await answer.close()


def _other(host: str, reference: str) -> SourceError:
    return wrong(host, reference, "has other content than its digest says")


def _spoilt(reference: str, error: StoreError) -> SourceError:
    return SourceError(Reason.UPSTREAM_ERROR, f"{reference} is a manifest that cannot be stored: {error.message}")
