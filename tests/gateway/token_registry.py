"""A registry that wants Bearer tokens, and its token server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from registry_gateway.config import Upstream
from registry_gateway.sources.base import Query, SourceError, ignore
from registry_gateway.sources.transport import Deadlines
from registry_gateway.sources.upstream import UpstreamSource
from registry_gateway.target import Kind
from tests.gateway.serving import PATIENT
from tests.support.fault_server import Asked, FaultServer, Reply

QUERY = Query(Kind.MANIFEST, "", "v1")
CREDENTIALS = "Basic dTpw"  # u:p
TOKEN = Reply(200, body=json.dumps({"token": "token-1", "expires_in": 300}).encode())


class Registry:
    """A registry with its token endpoint at `/token` of the same address, unless `realm` says otherwise."""

    def __init__(self) -> None:
        self.realm = ""
        self.valid = {"token-1"}
        self.answer: Reply | Callable[[Asked], Reply] = TOKEN
        self.extra = ""
        self.server = FaultServer(self.behaviour)

    def behaviour(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            return self.answer if isinstance(self.answer, Reply) else self.answer(asked)
        if asked.header("Authorization").removeprefix("Bearer ") in self.valid:
            return Reply(200, body=b"{}")
        realm = self.realm or f"http://{self.server.address}/token"
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"{self.extra}'})

    @property
    def tokens(self) -> list[Asked]:
        return [asked for asked in self.server.asked if asked.path == "/token"]

    @asynccontextmanager
    async def source(
        self,
        *,
        user: str = "u",
        password: str = "p",
        realms: Sequence[str] = (),
        deadlines: Deadlines = PATIENT,
        counted: Callable[[str], None] = ignore,
    ) -> AsyncIterator[UpstreamSource]:
        async with self.server:
            upstream = Upstream("id", "http", self.server.address, "deckhouse/ee", user, password, realms=tuple(realms))
            made = UpstreamSource(upstream, deadlines=deadlines, counted=counted)
            yield made
            await made.close()


async def fetch(made: UpstreamSource, rest: str = "") -> None:
    answer = await made.fetch(Query(Kind.MANIFEST, rest, "v1"))
    await answer.close()


async def failure(made: UpstreamSource) -> SourceError:
    with pytest.raises(SourceError) as failed:
        await made.fetch(QUERY)
    return failed.value
