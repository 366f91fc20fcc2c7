"""Bringing here what other replicas have: content first, then manifests, then the tags that name them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from registry_gateway import log
from registry_gateway.oci import INDEX_TYPES
from registry_gateway.replicas.peer import Peer, PeerError, PeerRefusedError
from registry_gateway.store import manifests
from registry_gateway.store.errors import (
    ContentMissingError,
    DigestMismatchError,
    FetchFailedError,
    NoSpaceError,
    StoreError,
    TooLargeError,
    UnknownError,
)
from registry_gateway.store.manifests import Parsed
from registry_gateway.store.shared import Lacking
from registry_gateway.store.stamps import UNDATED, Stamped
from registry_gateway.store.store import Store

AT_A_TIME = 4  # blobs that one process fetches from other replicas
DEPTH = 4  # indexes in indexes that are followed
_AGAIN_SECONDS = 0.05


class AbsentError(PeerError):
    """None of the replicas that were asked has it, or what they have is damaged."""


HasRoom = Callable[[int], bool]  # whether so many bytes more may be stored


def unlimited(size: int) -> bool:
    """As much as the disk takes."""
    del size
    return True


class Intake:
    """Brings things into `store`, as many blobs at a time as there are places in `room`, while `has_room` for them.
    Several at a time are fine, in several processes too: content is fetched once.

    Everything raises StoreError (NoSpaceError when there is no room), PeerError (a replica failed, try again) and
    AbsentError (they do not have it).
    """

    def __init__(self, store: Store, room: asyncio.Semaphore, *, has_room: HasRoom = unlimited) -> None:
        self._store, self._room, self._has_room = store, room, has_room

    async def take(self, repository: str, offered: Iterable[Stamped], peers: Sequence[Peer]) -> None:
        """Take over what of `offered` is later than what is here, with all that images consist of."""
        offered = list(offered)
        undone = await self._store.shared.merge(repository, offered)
        for one in undone:
            await self.bring(repository, one, peers, complete=True)
        if undone:
            await self._store.shared.merge(repository, undone)
        for one in offered:  # a pull may have left the manifest of an image here, without its parts
            if one.value and await self._lacks(repository, _manifest_of(one)):
                await self.bring(repository, one, peers, complete=True)

    async def bring(self, repository: str, one: Stamped, peers: Sequence[Peer], *, complete: bool) -> None:
        """Bring the manifest that `one` is or names, with what it consists of; without `complete`, as far as `peers`
        have that.
        """
        if one.is_tag and await self._is_whole(repository, one.value):
            return
        await self._manifest(repository, _manifest_of(one), one.stamp, peers, complete, DEPTH)

    async def heal(self, lacking: Lacking, peers: Sequence[Peer]) -> None:
        """Bring what a manifest here needs."""
        if lacking.media_type:
            await self._manifest(lacking.repository, lacking.digest, max(lacking.stamp, UNDATED), peers, False, DEPTH)
        else:
            await self.blob(lacking.repository, lacking.digest, peers)

    async def find(self, repository: str, digests: Iterable[str], peers: Sequence[Peer], *, manifests: bool) -> None:
        """Bring those of `digests` (of `manifests`, or of blobs) that `peers` have; the others are left out.

        They are needed by a push that goes on here, so manifests count as put now, whatever was removed before.
        """
        for digest in digests:
            try:
                if manifests:
                    await self._manifest(repository, digest, 0, peers, True, DEPTH)
                else:
                    await self.blob(repository, digest, peers)
            except (PeerError, ContentMissingError):
                continue

    async def blob(self, repository: str, digest: str, peers: Sequence[Peer]) -> None:
        """Bring a blob into a repository, unless it is in the store already; waits for whoever is fetching it."""
        async with self._room:
            failure: PeerError = AbsentError("no replica that was asked has it")
            for peer in peers:
                try:
                    return await self._blob_from(repository, digest, peer)
                except PeerError as error:
                    failure = _worse(failure, error)
            raise failure

    async def _manifest(
        self, repository: str, digest: str, stamp: int, peers: Sequence[Peer], complete: bool, depth: int
    ) -> None:
        body, media_type = await self._read_manifest(repository, digest, peers)
        parsed = manifests.parse(body, media_type)
        try:
            async with asyncio.TaskGroup() as group:
                for child in parsed.children:
                    group.create_task(self._child(repository, parsed, child.digest, stamp, peers, complete, depth))
        except* (PeerError, StoreError) as errors:
            raise _first(errors) from None
        self._require_room(len(body))
        await self._store.shared.put_manifest(repository, body, Stamped(digest, stamp, media_type), complete=complete)

    async def _child(
        self,
        repository: str,
        parent: Parsed,
        digest: str,
        stamp: int,
        peers: Sequence[Peer],
        complete: bool,
        depth: int,
    ) -> None:
        """Bring what `parent`, put at `stamp`, needs: since then it is needed again, if it was removed before."""
        try:
            if parent.media_type in INDEX_TYPES and depth:
                if not await self._is_whole(repository, digest):
                    await self._manifest(repository, digest, stamp, peers, complete, depth - 1)
            else:
                await self.blob(repository, digest, peers)
        except AbsentError:
            if complete:
                raise

    async def _is_whole(self, repository: str, digest: str) -> bool:
        """Whether a manifest is here with all it consists of; it stays for the grace time at least."""
        try:
            await self._store.contents.has_manifest(repository, digest)
            return not await self._store.contents.missing(repository, digest)
        except UnknownError:
            return False

    async def _lacks(self, repository: str, digest: str) -> bool:
        """Whether the repository has a manifest (what was removed here later, it has not) without all its parts."""
        try:
            return bool(await self._store.contents.missing(repository, digest))
        except UnknownError:
            return False

    async def _read_manifest(self, repository: str, digest: str, peers: Sequence[Peer]) -> tuple[bytes, str]:
        failure: PeerError = AbsentError("no replica that was asked has it")
        for peer in peers:
            try:
                return await peer.manifest(repository, digest)
            except PeerError as error:
                failure = _worse(failure, error)
        raise failure

    async def _blob_from(self, repository: str, digest: str, peer: Peer) -> None:
        while (claim := await self._store.fetches.claim(repository, digest)) is None:
            if await self._arrived(repository, digest):
                return
        try:
            async with claim, peer.blob(repository, digest) as (length, pieces):
                self._require_room(length)
                await claim.begin(length)
                async for piece in pieces:
                    await claim.write(piece)
                await claim.commit()
        except (DigestMismatchError, TooLargeError):
            log.emit("warning", "another replica has damaged content", peer=peer.name, digest=digest)
            raise AbsentError(f"{peer.name} has it damaged") from None

    def _require_room(self, size: int) -> None:
        if not self._has_room(size):
            raise NoSpaceError("not enough room on the data directory's disk (minFree); free space")

    async def _arrived(self, repository: str, digest: str) -> bool:
        """Whether a blob is here; while somebody fetches it, wait for that."""
        try:
            await self._store.contents.has_blob(repository, digest)
            return True
        except UnknownError:
            growing = await self._store.fetches.follow(digest)
        if growing is None:
            await asyncio.sleep(_AGAIN_SECONDS)
            return False
        async with growing:
            try:
                async for _ in growing.pieces(max(growing.total - 1, 0)):  # its last byte comes when it is verified
                    pass
            except FetchFailedError:
                pass
        return False  # look again: in this repository it has to be, too


def _manifest_of(one: Stamped) -> str:
    return one.value if one.is_tag else one.key


def _worse(known: PeerError, error: PeerError) -> PeerError:
    """What to say of several failures: that a replica has no such content is no failure if others do not answer."""
    is_absent = isinstance(error, AbsentError) or (isinstance(error, PeerRefusedError) and error.status == 404)
    return known if is_absent else error


def _first(errors: BaseExceptionGroup[PeerError | StoreError]) -> PeerError | StoreError:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, PeerError | StoreError)  # noqa: S101 - what the group was caught for
    return found
