"""What other replicas may ask of this one: `/v2/_replicas/…`, for a peer's certificate only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aiohttp import web

from registry_gateway import log, names
from registry_gateway.access import Identity
from registry_gateway.oci import Code, OciError
from registry_gateway.replicas import wire
from registry_gateway.replicas.hold import Hold
from registry_gateway.replicas.intake import Intake
from registry_gateway.replicas.peer import Peer, PeerError
from registry_gateway.sources.peer import HEADER, Asking
from registry_gateway.store.errors import StoreError
from registry_gateway.store.store import Store

BEAT_SECONDS = 5.0  # between signs of life while changes are being taken; see `peer.IDLE_SECONDS`


class Endpoint:
    """Answers for the store that `hold` gives; what it is told of is brought from the peer that told."""

    def __init__(self, hold: Hold, peers: Sequence[Peer], intake: Callable[[Store], Intake]) -> None:
        self._hold, self._peers, self._intake = hold, peers, intake

    @staticmethod
    def is_asked(path: str) -> bool:
        """Whether a request's path (raw) is of the replicas' own part of the API."""
        return path.startswith(wire.PREFIX)

    async def handle(self, request: web.BaseRequest, identity: Identity) -> web.StreamResponse:
        """Answer a request for which `is_asked`. Raises OciError."""
        if not identity.peer:
            raise OciError(403, Code.DENIED, "this is between the gateway's replicas")
        path, _, _ = request.raw_path.partition("?")
        try:
            with self._hold() as store:
                match request.method, path:
                    case "GET", wire.STATE:
                        return web.json_response({})
                    case "GET", wire.SUMMARY:
                        return web.json_response({"repositories": await store.shared.summary()})
                    case "GET", _ if path.startswith(wire.NAMES):
                        return await self._names(store, request, path.removeprefix(wire.NAMES))
                    case "POST", wire.CHANGES:
                        return await self._changes(store, request)
        except StoreError as error:
            raise OciError(503, Code.UNAVAILABLE, error.message) from None
        raise OciError(404, Code.UNSUPPORTED, "no such endpoint")

    async def _names(self, store: Store, request: web.BaseRequest, repository: str) -> web.Response:
        if not names.is_name(repository):
            raise OciError(400, Code.NAME_INVALID, "not a repository name")
        found = await store.shared.names(repository, after=request.query.get("after", ""), limit=wire.PAGE)
        return web.json_response({"names": wire.render_names(found)})

    async def _changes(self, store: Store, request: web.BaseRequest) -> web.StreamResponse:
        asking = Asking.parse(request.headers.get(HEADER, ""))
        tellers = [peer for peer in self._peers if peer.name == asking.name]
        if not tellers:
            raise OciError(403, Code.DENIED, f"{HEADER}: this replica knows no peer of that name")
        try:
            changes = wire.read_changes(await _whole(request))
        except wire.WireError as error:
            raise OciError(400, Code.UNSUPPORTED, str(error)) from None
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        taking = asyncio.create_task(self._take(store, changes, tellers))
        try:
            while not (await asyncio.wait((taking,), timeout=BEAT_SECONDS))[0]:
                await response.write(b" ")
            await response.write(wire.render_taken(taking.result()))
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)  # it needs the store, which is held only until then
        await response.write_eof()
        return response

    async def _take(self, store: Store, changes: wire.Changes, tellers: Sequence[Peer]) -> bool:
        try:
            await self._intake(store).take(changes.repository, changes.names, tellers)
        except (StoreError, PeerError) as error:
            log.emit("warning", "change not taken", repository=changes.repository, error=log.where(error))
            return False
        return True


async def _whole(request: web.BaseRequest) -> bytes:
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > wire.LIMIT:
            raise OciError(413, Code.UNSUPPORTED, f"more than {wire.LIMIT} bytes")
    return bytes(body)
