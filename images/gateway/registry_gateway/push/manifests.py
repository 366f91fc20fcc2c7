"""Pushing and deleting manifests and tags (distribution spec 1.1, "Pushing Manifests", "Content Management")."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from functools import partial

from aiohttp import web

from registry_gateway.oci import INDEX_TYPES, Code, OciError
from registry_gateway.push import query
from registry_gateway.push.body import Body
from registry_gateway.push.replicas import Replicas
from registry_gateway.push.request import Push
from registry_gateway.store import manifests
from registry_gateway.store.errors import ContentMissingError
from registry_gateway.target import Target

# Nearly all manifests are below SMALL bytes. Of larger ones, read whole and taken apart, a few at a time are enough.
SMALL, LARGE_ONES = 64 * 1024, 4


class Manifests:
    """Manifests and tags. With `replicas`, changes are acknowledged when enough of them have them, and what a manifest
    names may have been pushed to any.

    Everything raises OciError and StoreError.
    """

    def __init__(self, *, replicas: Replicas | None) -> None:
        self._replicas = replicas
        self._places = asyncio.Semaphore(LARGE_ONES)

    async def put(self, push: Push) -> web.Response:
        """PUT by tag or by digest."""
        digest, tag = _reference(push.target)
        body = push.body()
        media_type = push.request.headers.get("Content-Type", "").partition(";")[0].strip()
        async with self._place(body):
            content = await body.whole(limit=manifests.LIMIT)
            if content is None:
                raise OciError(413, Code.MANIFEST_INVALID, f"the manifest is larger than {manifests.LIMIT} bytes")
            digest = await self._put(push, content, media_type, tag=tag, digest=digest)
            subject = await _subject(content, media_type)
            del content
        await self._committed(push.name, {digest, push.target.reference})
        headers = {"Location": f"/v2/{push.name}/manifests/{digest}", "Docker-Content-Digest": digest}
        return web.Response(status=201, headers={**headers, **({"OCI-Subject": subject} if subject else {})})

    async def delete(self, push: Push) -> web.Response:
        """DELETE of a tag, or of a manifest with the tags that name it."""
        digest, tag = _reference(push.target)
        if tag:
            await push.store.changes.delete_tag(push.name, tag)
        else:
            await push.store.changes.delete_manifest(push.name, digest)
        await self._committed(push.name, {push.target.reference})
        return web.Response(status=202)

    async def _put(self, push: Push, content: bytes, media_type: str, *, tag: str, digest: str) -> str:
        put = partial(push.store.changes.put_manifest, push.name, content, media_type, tag=tag, digest=digest)
        try:
            return await put()
        except ContentMissingError as error:
            if self._replicas is None:
                raise
            await self._replicas.find(push.name, error.digests, manifests=media_type in INDEX_TYPES)
            return await put()

    async def _committed(self, name: str, keys: Collection[str]) -> None:
        if self._replicas is not None:
            await self._replicas.committed(name, keys)

    def _place(self, body: Body) -> AbstractAsyncContextManager[object]:
        return contextlib.nullcontext() if body.length is not None and body.length <= SMALL else self._places


def _reference(target: Target) -> tuple[str, str]:
    """Digest and tag, one of which is "". Raises OciError (400)."""
    if ":" in target.reference:
        return query.digest(target.reference, parameter="digest"), ""
    return "", target.reference


async def _subject(content: bytes, media_type: str) -> str:
    """The digest of the subject of a manifest that was found right; "" when it has none."""
    if b'"subject"' not in content:
        return ""
    subject = (await asyncio.to_thread(manifests.parse, content, media_type)).subject
    return subject.digest if subject else ""
