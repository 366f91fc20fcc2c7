"""Requests that change the store, who may make them, and who answers them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from registry_gateway.access import ANONYMOUS, Identity
from registry_gateway.limits import LIMITS
from registry_gateway.oci import Code, OciError
from registry_gateway.push.blobs import Blobs
from registry_gateway.push.catalog import Catalog
from registry_gateway.push.manifests import Manifests
from registry_gateway.push.refusal import RETRY_SECONDS, refusal
from registry_gateway.push.replicas import Begun, Replicas
from registry_gateway.push.request import Push
from registry_gateway.push.session import owner_of
from registry_gateway.store.errors import StoreError
from registry_gateway.stores import Keeper
from registry_gateway.target import Kind, Target, below

WHO_MAY = "pushing takes user rw; its password is in the Secret d8-system/registry-user-rw"
READS = ("GET", "HEAD")

_Answers = Mapping[str, Callable[[Push], Awaitable[web.Response]]]  # by method


class Pushes:
    """Answers requests that push into the store of `keeper`, of the repositories below `alias`, by who may push.

    `replica` is this replica's own name, which sessions of uploads carry; `min_free` the room on the disk (bytes) that
    no upload may begin below.
    """

    def __init__(
        self,
        keeper: Keeper,
        *,
        alias: str,
        replica: str = "",
        min_free: int = 0,
        stall_seconds: float = LIMITS.stall_seconds,
        replicas: Replicas | None = None,
    ) -> None:
        self._keeper, self._alias, self._replica, self._replicas = keeper, alias, replica, replicas
        self._stall_seconds = stall_seconds
        blobs = Blobs(alias=alias, replica=replica, min_free=min_free)
        manifests, catalog = Manifests(replicas=replicas), Catalog(alias=alias)
        self._sessions: _Answers = {
            "GET": blobs.status,
            "PATCH": blobs.append,
            "PUT": blobs.finish,
            "DELETE": blobs.cancel,
        }
        self._others: Mapping[Kind, _Answers] = {
            Kind.UPLOAD: {"POST": blobs.start},
            Kind.BLOB: {"DELETE": blobs.delete},
            Kind.MANIFEST: {"PUT": manifests.put, "DELETE": manifests.delete},
            Kind.CATALOG: dict.fromkeys(READS, catalog.list),
        }

    async def handle(
        self, request: web.BaseRequest, asked: Target, identity: Identity, *, begun: Begun
    ) -> web.StreamResponse:
        """Answer a request that is no read of content, or one for an upload or the catalog. Raises OciError."""
        is_session = asked.kind is Kind.UPLOAD and bool(asked.reference)
        if asked.kind is not Kind.CATALOG and not identity.may_push:
            raise OciError(403, Code.DENIED, f"{identity.label} may pull only; {WHO_MAY}")
        if identity is ANONYMOUS:
            raise OciError(403, Code.DENIED, "what there is here is told to who logs in")
        if asked.name:
            below(self._alias, asked.name)
        answers = self._sessions if is_session else self._others.get(asked.kind, {})
        if request.method not in answers:
            reads = () if asked.kind in (Kind.UPLOAD, Kind.CATALOG) else READS
            allowed = ", ".join((*reads, *answers))
            raise OciError(405, Code.UNSUPPORTED, f"only {allowed} here", allow=allowed)
        if self._replicas is not None and asked.kind is not Kind.CATALOG:
            self._replicas.require_listed()
        if is_session and self._replicas and (owner := owner_of(asked.reference)) not in ("", self._replica):
            return await self._replicas.forward(owner, request, begun=begun)
        opened = self._keeper.opened
        if opened is None:
            reason = self._keeper.error or "the store is being opened"
            raise OciError(503, Code.UNAVAILABLE, f"nothing can be pushed now: {reason}", retry_after=RETRY_SECONDS)
        with opened.held() as store:
            try:
                answer = await answers[request.method](Push(request, asked, store, self._stall_seconds))
            except StoreError as error:
                self._keeper.met(error)
                raise refusal(error, asked.kind) from error
        begun(answer)
        return answer
