"""A name outside this machine, without a DNS that has it."""

from __future__ import annotations

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from registry_gateway.sources.upstream import UpstreamSource


class Outside(AbstractResolver):
    """Stands in for DNS only: it says that a test server on loopback is at `registry.example.com`."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    @classmethod
    def stand_in(cls, made: UpstreamSource, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put it before the resolver of `made`."""
        transport = made._transport
        monkeypatch.setattr(transport._direct.connector, "_resolver", cls(transport._resolver))

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        if host == "registry.example.com":
            return [
                ResolveResult(hostname=host, host="127.0.0.1", port=port, family=2, proto=0, flags=0)  # AF_INET
            ]
        return await self._inner.resolve(host, port)

    async def close(self) -> None:
        await self._inner.close()
