"""The store of this replica as a source: what it has, and nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, quote

from registry_gateway import names
from registry_gateway.oci import INDEX_TYPES
from registry_gateway.sources import content
from registry_gateway.sources.base import Answer, BodyError, Query, Reason, SourceError
from registry_gateway.sources.content import BLOB_TYPE, STORE
from registry_gateway.store.entries import Referrer
from registry_gateway.store.errors import InvalidNameError, StoreError, UnknownError
from registry_gateway.store.store import Store
from registry_gateway.stores import Keeper
from registry_gateway.target import Kind

AT_ONCE = 64 * 1024  # bytes of a blob that are read before its answer begins, to go out with the headers


class StoredSource:
    """Answers from the store of `keeper`, whose repositories have the cluster's names: `alias` and what is below.
    `whole`: it has only manifests of which it has all parts, those of an index's images too.
    """

    def __init__(self, keeper: Keeper, alias: str, *, whole: bool = False) -> None:
        self._keeper, self._alias, self._whole = keeper, alias, whole

    @property
    def label(self) -> str:
        """`store`."""
        return STORE

    @property
    def ailing(self) -> bool:
        """Never: asking it costs nothing."""
        return False

    async def fetch(self, query: Query) -> Answer:
        """See `base.Source`. NOT_FOUND is what the store does not have; UNREACHABLE that there is no store now."""
        opened = self._keeper.opened
        if opened is None:
            raise SourceError(Reason.UNREACHABLE, f"the store cannot be used: {self._keeper.error}", host=STORE)
        name = names.join(self._alias, query.rest)
        with ExitStack() as stack:
            store = stack.enter_context(opened.held())
            try:
                answer = await _ANSWERS[query.kind](store, name or "", query, stack)
                if self._whole and query.kind is Kind.MANIFEST:
                    await _require_parts(store, name or "", answer.headers["Docker-Content-Digest"])
            except (UnknownError, InvalidNameError) as error:
                what = f"{name}{_separator(query.reference)}{query.reference}"
                raise SourceError(
                    Reason.NOT_FOUND, f"the store does not have {what}: {error.message}", host=STORE, status=404
                ) from None
            except StoreError as error:
                self._keeper.met(error)
                raise SourceError(Reason.UPSTREAM_ERROR, f"the store failed: {error.message}", host=STORE) from None
            held = stack.pop_all()

        async def close() -> None:
            held.close()

        answer.close = close
        return answer


async def _manifest(store: Store, name: str, query: Query, stack: ExitStack) -> Answer:
    del stack
    if query.method == "HEAD":
        found = await store.contents.has_manifest(name, query.reference)
        wanted = content.part(query, digest=found.digest, total=found.size, media_type=found.media_type)
        return content.sent(wanted, source=STORE, body=content.once(b""))
    one = await store.contents.manifest(name, query.reference)
    return content.whole(query, one.content, digest=one.digest, media_type=one.media_type, source=STORE)


async def _require_parts(store: Store, name: str, digest: str) -> None:
    """Raises UnknownError when something lacks of what a manifest needs."""
    if missing := await store.contents.missing(name, digest):
        raise UnknownError(f"{len(missing)} parts of it are not here, {missing[0]} for instance")


async def _blob(store: Store, name: str, query: Query, stack: ExitStack) -> Answer:
    if query.method == "HEAD":
        found = await store.contents.has_blob(name, query.reference)
        wanted = content.part(query, digest=found.digest, total=found.size, media_type=BLOB_TYPE)
        return content.sent(wanted, source=STORE, body=content.once(b""))
    blob = await store.contents.blob(name, query.reference)
    stack.callback(blob.close)
    wanted = content.part(query, digest=blob.digest, total=blob.size, media_type=BLOB_TYPE)
    pieces = blob.pieces(wanted.start, wanted.stop)
    if wanted.length <= AT_ONCE:
        read = b"".join([piece async for piece in pieces])
        return content.sent(wanted, source=STORE, body=content.once(read), arrived=True)
    return content.sent(wanted, source=STORE, body=_body(pieces))


async def _body(pieces: AsyncIterator[bytes | bytearray]) -> AsyncIterator[bytes | bytearray]:
    try:
        async for piece in pieces:
            yield piece
    except StoreError:
        raise BodyError("store") from None


async def _tags(store: Store, name: str, query: Query, stack: ExitStack) -> Answer:
    """Distribution spec 1.1, "Listing Tags": at most `n` behind `last`, and a Link when there are more."""
    del stack
    asked = parse_qs(query.parameters)
    number, last = asked.get("n", [""])[0], asked.get("last", [""])[0]
    limit = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else -1
    found = await store.contents.tags(name, after=last, limit=limit + 1 if limit >= 0 else -1)
    answer = _document({"name": name, "tags": found[:limit] if limit >= 0 else found}, "application/json", query)
    if 0 < limit < len(found):
        link = f'</v2/{name}/tags/list?n={limit}&last={quote(found[limit - 1], safe="")}>; rel="next"'
        answer.headers = {**answer.headers, "Link": link}
    return answer


async def _referrers(store: Store, name: str, query: Query, stack: ExitStack) -> Answer:
    """Distribution spec 1.1, "Listing Referrers": an index, empty when there are none, even of what is unknown."""
    del stack
    try:
        found = await store.contents.referrers(name, query.reference)
    except UnknownError:
        found = []
    wanted = parse_qs(query.parameters).get("artifactType", [])
    entries = [_descriptor(one) for one in found if not wanted or one.artifact_type in wanted]
    answer = _document({"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": entries}, INDEX_TYPES[0], query)
    if wanted:
        answer.headers = {**answer.headers, "OCI-Filters-Applied": "artifactType"}
    return answer


def _descriptor(one: Referrer) -> dict[str, Any]:
    made: dict[str, Any] = {"mediaType": one.media_type, "digest": one.digest, "size": one.size}
    if one.artifact_type:
        made["artifactType"] = one.artifact_type
    if one.annotations:
        made["annotations"] = json.loads(one.annotations)
    return made


def _document(document: dict[str, Any], media_type: str, query: Query) -> Answer:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Answer(
        200,
        {"Content-Type": media_type},
        STORE,
        length=len(body),
        arrived=query.method == "GET",
        body=content.once(body),
    )


def _separator(reference: str) -> str:
    return "" if not reference else "@" if ":" in reference else ":"


_ANSWERS: dict[Kind, Callable[[Store, str, Query, ExitStack], Awaitable[Answer]]] = {
    Kind.MANIFEST: _manifest,
    Kind.BLOB: _blob,
    Kind.TAGS: _tags,
    Kind.REFERRERS: _referrers,
}
