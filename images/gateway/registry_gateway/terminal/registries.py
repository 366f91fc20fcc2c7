"""The registries of a configuration, open for one look, and the identity they are asked with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from registry_gateway.config import Upstream
from registry_gateway.sources.pool import Pool
from registry_gateway.sources.transport import Deadlines
from registry_gateway.sources.upstream import UpstreamSource


@asynccontextmanager
async def opened(upstreams: Sequence[Upstream], deadlines: Deadlines) -> AsyncIterator[list[UpstreamSource]]:
    """The sources for `upstreams`, in that order."""
    pool = Pool(deadlines=deadlines)
    try:
        yield await pool.use(upstreams)
    finally:
        await pool.close()


def identity(source: UpstreamSource, name: str) -> dict[str, str]:
    """As whom `source` has been asked for the repository `name`: `user` ("" for anonymous), `login` (basic, token, or
    "" when the registry wanted none or did not answer), `tokenServer` and `scope` of a token.
    """
    login = source.login(name)
    return {
        "user": source.upstream.user,
        "login": login.way,
        "tokenServer": login.server,
        "scope": login.scope,
    }


def identity_text(found: Mapping[str, Any]) -> str:
    """The same in words."""
    who = f"user {found['user']}" if found["user"] else "anonymous"
    if found["login"] == "token":
        return f"{who}, token of {found['tokenServer']} for {found['scope']}"
    return f"{who}, by password" if found["login"] == "basic" else who
