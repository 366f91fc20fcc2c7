"""One request about what is pushed, with all that answering it takes."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from registry_gateway.push import query
from registry_gateway.push.body import Body
from registry_gateway.store.store import Store
from registry_gateway.target import Target


@dataclass(frozen=True, slots=True)
class Push:
    """`request` for `target`, of somebody who may do that; `store` is open until it is answered."""

    request: web.BaseRequest
    target: Target
    store: Store
    stall_seconds: float  # for which the body may not come

    @property
    def name(self) -> str:
        """The repository's."""
        return self.target.name

    def body(self) -> Body:
        """The body, of which nothing was read yet. Raises OciError (415)."""
        return Body(self.request, stall_seconds=self.stall_seconds)

    def parameters(self) -> query.Parameters:
        """The query, decoded. Raises OciError (400)."""
        return query.parameters(self.request.raw_path)
