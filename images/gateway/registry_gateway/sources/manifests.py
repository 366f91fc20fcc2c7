"""Manifests on their way into the store: read whole, verified, stored; one fetch at a time for each reference.

Tags may move. One that was looked at less than MAX_AGE ago counts as it is; else the registry is asked by HEAD, and by
GET when it names another digest than the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from registry_gateway import log, metrics, names
from registry_gateway.oci import INDEX_TYPES, MANIFEST_TYPES
from registry_gateway.sources import content
from registry_gateway.sources.base import Answer, BodyError, Query, Reason, Source, SourceError
from registry_gateway.sources.ordered import Failed, NoAnswerError, first_answer
from registry_gateway.store.errors import InvalidNameError, ManifestInvalidError, StoreError, UnknownError
from registry_gateway.store.manifests import LIMIT
from registry_gateway.store.paths import ALGORITHMS
from registry_gateway.store.stamps import UNDATED
from registry_gateway.store.store import Store
from registry_gateway.stores import Keeper, Opened

MAX_AGE = 60  # seconds for which a tag counts as it was found
# Always all of them: what is stored under a tag must not depend on who asked first.
ACCEPT = (("Accept", ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))),)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A manifest as a source gave it, verified."""

    body: bytes
    digest: str
    media_type: str
    source: str

    def answer(self, query: Query) -> Answer:
        """It as an answer."""
        return content.whole(query, self.body, digest=self.digest, media_type=self.media_type, source=self.source)


def is_fresh(age: float) -> bool:
    """Whether a tag that was looked at `age` seconds ago counts as it is; a clock that was turned back makes none."""
    return 0 <= age <= MAX_AGE


class Manifests:
    """What one worker fetches now; whoever wants the same waits for the same."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def fetch(
        self,
        opened: Opened | None,
        name: str,
        query: Query,
        sources: Sequence[Source],
        *,
        believed: Sequence[Source],
        keep: bool = True,
        revive: bool,
        failed: Failed | None = None,
    ) -> Fetched | None:
        """Fetch the manifest that `query` names from `sources` and, with `keep`, store it in the repository `name`;
        under its tag too, if one of `believed` says so. With `revive` whatever was pushed, deleted or collected here
        since; without, a tag is set only if nothing is known of it, and earlier than every push and deletion.
        None: it has come, or its tag still holds, so look into the store. What cannot be stored is given all the same.
        Raises NoAnswerError.
        """
        tag = "" if ":" in query.reference else query.reference

        async def fetch() -> Fetched | None:
            if opened is not None and await self._is_right(opened, name, query, believed, failed):
                return None
            found = await _first(sources, query, failed)
            if opened is not None and keep:
                by_right = found.source in [source.label for source in believed]
                await self._store(opened, name, found, tag if by_right else "", revive=revive)
            return found

        return await self._shared(("fetch", name, query.reference), fetch)

    async def is_right(
        self, opened: Opened, name: str, query: Query, believed: Sequence[Source], *, failed: Failed | None = None
    ) -> bool:
        """Whether the manifest that `query` names is here, and its tag still holds. Raises NoAnswerError."""
        work = partial(self._is_right, opened, name, query, believed, failed)
        return await self._shared(("look", name, query.reference), work)

    async def _is_right(
        self, opened: Opened, name: str, query: Query, believed: Sequence[Source], failed: Failed | None
    ) -> bool:
        """Without `believed` a tag that is here holds."""
        with opened.held() as store:
            known = await self._known(store, name, query.reference)
            if known is None or not believed or is_fresh(time.time() - known[1]):
                return known is not None
            if all(source.ailing for source in believed):  # a dead registry must not cost its deadline per pull
                raise NoAnswerError([_ailing(source) for source in believed])
            answer = await first_answer(believed, replace(query, method="HEAD", headers=ACCEPT), failed=failed)
            await answer.close()
            if answer.headers.get("Docker-Content-Digest") != known[0]:
                return False
            await self._changed(store.changes.confirm_tag(name, query.reference))
            return True

    async def forget(self, opened: Opened, name: str, tag: str) -> None:
        """The tag is gone."""
        with opened.held() as store:
            await self._changed(store.changes.delete_tag(name, tag))

    async def close(self) -> None:
        """End all."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _known(self, store: Store, name: str, reference: str) -> tuple[str, float] | None:
        """Digest of a manifest that is here, and when it was last known to be what `reference` names."""
        try:
            digest, checked = reference, time.time()
            if ":" not in reference:
                digest, checked = await store.contents.tag(name, reference)
            await store.contents.has_manifest(name, digest)
        except (UnknownError, InvalidNameError):
            return None
        except StoreError as error:
            self._keeper.met(error)
            return None
        return digest, checked

    async def _changed(self, change: Awaitable[None]) -> None:
        """Note something that costs only a repeated question if it cannot be noted."""
        try:
            await change
        except UnknownError:
            pass
        except StoreError as error:
            self._keeper.met(error)

    async def _store(self, opened: Opened, name: str, found: Fetched, tag: str, *, revive: bool) -> None:
        try:
            with opened.held() as store:
                put = partial(store.changes.put_manifest, name, found.body, found.media_type, digest=found.digest)
                if revive:
                    await put(tag=tag, complete=False)
                    return
                # In a copy a pull is no push: what was pushed or deleted holds, at other replicas too.
                await put(complete=False, stamp=UNDATED)
                if tag:
                    with contextlib.suppress(UnknownError):  # the manifest was deleted or collected here
                        await store.changes.replace_tag(name, tag, found.digest, known=None)
        except StoreError as error:
            self._keeper.met(error)
            metrics.unstored.labels("invalid" if isinstance(error, ManifestInvalidError) else "error").inc()
            log.emit("warning", "manifest not stored", repository=name, digest=found.digest, reason=error.message)

    async def _shared(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """What `work` returns or raises; whoever comes meanwhile with the same key gets the same. It goes on when all
        who wait have gone.
        """
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(work())

            def done(ended: asyncio.Task[Any]) -> None:
                del self._running[key]
                if not ended.cancelled():
                    ended.exception()  # maybe nobody waits any more

            task.add_done_callback(done)
        result: Result = await asyncio.shield(task)
        return result


@dataclass(frozen=True, slots=True)
class _Verified:
    """A source whose answers are manifests, whole and right."""

    source: Source

    @property
    def label(self) -> str:
        return self.source.label

    @property
    def ailing(self) -> bool:
        return self.source.ailing

    async def fetch(self, query: Query) -> Answer:
        answer = await self.source.fetch(query)
        try:
            body = await self._read(answer)
        finally:
            await answer.close()
        digest = _digest_of(body, query.reference, answer.headers.get("Docker-Content-Digest", ""))
        if digest is None:
            raise self._wrong("other content than its digest says")
        headers = {**answer.headers, "Docker-Content-Digest": digest}
        return Answer(200, headers, answer.source, length=len(body), arrived=True, body=content.once(body))

    async def _read(self, answer: Answer) -> bytes:
        body = bytearray()
        try:
            async for piece in answer.body:
                body += piece
                if len(body) > LIMIT:
                    raise self._wrong(f"a manifest above {LIMIT} bytes")
        except BodyError:
            raise self._wrong("less than it announced") from None
        return bytes(body)

    def _wrong(self, what: str) -> SourceError:
        return SourceError(Reason.UPSTREAM_ERROR, f"{self.label} sent {what}", host=self.label, status=502)


async def _first(sources: Sequence[Source], query: Query, failed: Failed | None) -> Fetched:
    plain = replace(query, method="GET", headers=ACCEPT)
    answer = await first_answer([_Verified(source) for source in sources], plain, failed=failed)
    body = b"".join([piece async for piece in answer.body])
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    return Fetched(body, answer.headers["Docker-Content-Digest"], media_type, answer.source)


def _ailing(source: Source) -> SourceError:
    message = f"{source.label} could not be asked a moment ago; it is tried again soon"
    return SourceError(Reason.UNREACHABLE, message, host=source.label)


def _digest_of(body: bytes, reference: str, told: str) -> str | None:
    """The digest of a manifest: the one asked for, the one told, else of SHA-256. None when the body is not that."""
    expected = reference if ":" in reference else told
    algorithm, _, value = expected.partition(":")
    if not expected:
        return f"sha256:{hashlib.sha256(body).hexdigest()}"
    if algorithm not in ALGORITHMS or not names.is_digest(expected):
        return None
    return expected if hashlib.new(algorithm, body).hexdigest() == value else None
