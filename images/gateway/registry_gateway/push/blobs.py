"""Pushing blobs: in one request, in two, in chunks, by mounting; and deleting them.

Distribution spec 1.1, "Pushing blobs" and "Deleting blobs".
"""

from __future__ import annotations

from aiohttp import web

from registry_gateway import names
from registry_gateway.oci import Code, OciError
from registry_gateway.push import query
from registry_gateway.push.body import Body
from registry_gateway.push.chunk import Chunk, announced, so_far
from registry_gateway.push.request import Push
from registry_gateway.push.session import session_of, upload_of
from registry_gateway.store.errors import OffsetMismatchError
from registry_gateway.store.uploads import Session


class Blobs:
    """Blobs below `alias`. Below `min_free` bytes of room on the disk no upload begins.

    Everything raises OciError and StoreError.
    """

    def __init__(self, *, alias: str, replica: str, min_free: int) -> None:
        self._alias, self._replica, self._min_free = alias, replica, min_free

    async def start(self, push: Push) -> web.Response:
        """POST: begin an upload, or mount, or take the whole blob."""
        asked, uploads = push.parameters(), push.store.uploads
        if "mount" in asked and await self._mount(push, asked["mount"], source=asked.get("from", "")):
            return _created(push.name, asked["mount"])
        whole = query.digest(asked["digest"], parameter="digest") if "digest" in asked else ""
        body = push.body()
        if self._min_free and await uploads.room() < self._min_free:
            raise OciError(507, Code.UNAVAILABLE, "the disk is as full as the settings allow; free space, then push")
        upload = await uploads.start(push.name)
        if not whole:
            return self._standing(push, upload, 0, status=202)
        async with await uploads.resume(push.name, upload, offset=0) as session:
            try:
                await _fill(session, body, Chunk())
                await session.commit(whole)
            except BaseException:
                await session.cancel()  # nobody knows its name
                raise
        return _created(push.name, whole)

    async def status(self, push: Push) -> web.Response:
        """GET: how much of an upload is here."""
        upload = upload_of(push.target.reference)
        return self._standing(push, upload, await push.store.uploads.offset(push.name, upload), status=204)

    async def append(self, push: Push) -> web.Response:
        """PATCH: a chunk, or whatever comes next."""
        body = push.body()
        chunk, upload = _announced(push, body), upload_of(push.target.reference)
        async with await self._resume(push, upload, chunk) as session:
            await _fill(session, body, chunk)
            return self._standing(push, upload, await session.offset(), status=202)

    async def finish(self, push: Push) -> web.Response:
        """PUT: the last chunk or the only one, or nothing, and the digest of it all."""
        digest, body = query.digest(push.parameters().get("digest", ""), parameter="digest"), push.body()
        chunk = _announced(push, body)
        async with await self._resume(push, upload_of(push.target.reference), chunk) as session:
            await _fill(session, body, chunk)
            await session.commit(digest)
        return _created(push.name, digest)

    async def cancel(self, push: Push) -> web.Response:
        """DELETE of an upload."""
        await push.store.uploads.cancel(push.name, upload_of(push.target.reference))
        return web.Response(status=204)

    async def delete(self, push: Push) -> web.Response:
        """DELETE of a blob; manifests that name it keep it."""
        await push.store.changes.delete_blob(push.name, query.digest(push.target.reference, parameter="digest"))
        return web.Response(status=202)

    async def _mount(self, push: Push, digest: str, *, source: str) -> bool:
        query.digest(digest, parameter="mount")
        if not names.is_name(source) or names.below(self._alias, source) is None:
            return False
        return await push.store.changes.mount(push.name, digest, source=source)

    async def _resume(self, push: Push, upload: str, chunk: Chunk) -> Session:
        try:
            return await push.store.uploads.resume(push.name, upload, offset=chunk.start)
        except OffsetMismatchError as error:
            refusal = OciError(416, Code.BLOB_UPLOAD_INVALID, error.message)
            refusal.headers |= self._headers(push, upload, error.offset)
            raise refusal from None

    def _standing(self, push: Push, upload: str, offset: int, *, status: int) -> web.Response:
        return web.Response(status=status, headers=self._headers(push, upload, offset))

    def _headers(self, push: Push, upload: str, offset: int) -> dict[str, str]:
        session = session_of(self._replica, upload)
        location = f"/v2/{push.name}/blobs/uploads/{session}"
        return {"Location": location, "Range": so_far(offset), "Docker-Upload-UUID": session}


def _announced(push: Push, body: Body) -> Chunk:
    return announced(push.request.headers.get("Content-Range"), body.length)


async def _fill(session: Session, body: Body, chunk: Chunk) -> None:
    """Append `body`, which must have as many bytes as were announced; what came stays when it has not."""
    left = chunk.length
    async for piece in body.pieces():
        if left is not None:
            if len(piece) > left:
                raise OciError(400, Code.SIZE_INVALID, "the chunk is longer than its Content-Range says")
            left -= len(piece)
        await session.write(piece)
    if left:
        raise OciError(400, Code.SIZE_INVALID, "the chunk ended early; ask where the upload stands, then go on")


def _created(name: str, digest: str) -> web.Response:
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return web.Response(status=201, headers=headers)
