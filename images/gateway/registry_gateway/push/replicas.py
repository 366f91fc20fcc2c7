"""What a push needs of the other replicas of the gateway. Where there are none, it needs nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from aiohttp import web

Begun = Callable[[web.StreamResponse], None]  # gets an answer before it is sent, for headers


class Replicas(Protocol):
    """The others, and how far they have what was pushed here."""

    def require_listed(self) -> None:
        """Raises OciError (503) when no push can be acknowledged, as the others do not know this replica."""
        ...

    async def committed(self, repository: str, keys: Collection[str]) -> None:
        """Return when enough replicas have what became of `keys`: tags and digests that were set or removed here, and
        are not acknowledged before. Raises OciError.
        """
        ...

    async def find(self, repository: str, digests: Collection[str], *, manifests: bool) -> None:
        """Bring here what others have of `digests`, blobs or `manifests`. Raises StoreError."""
        ...

    async def forward(self, owner: str, request: web.BaseRequest, *, begun: Begun) -> web.StreamResponse:
        """Have the replica `owner` answer a request for an upload that is there. Nothing of the body was read, no
        "100 Continue" was sent. Raises OciError.
        """
        ...
