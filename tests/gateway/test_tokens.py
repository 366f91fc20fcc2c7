"""Tokens: one request however many ask, kept until shortly before the end, refusals not repeated."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from registry_gateway.sources import tokens
from registry_gateway.sources.base import Reason, SourceError
from registry_gateway.sources.tokens import Token, TokenCache

SCOPE = "repository:a:pull"


class Server:
    """Counts what it is asked; waits for `gate` when there is one."""

    def __init__(self, *, lifetime: float = 300.0) -> None:
        self.asked: list[str] = []
        self.lifetime, self.now = lifetime, 0.0
        self.gate: asyncio.Event | None = None
        self.refuses: SourceError | None = None
        self._numbers = itertools.count(1)
        self.cache = TokenCache(self.fetch, clock=lambda: self.now)

    async def fetch(self, scope: str) -> Token:
        self.asked.append(scope)
        if self.gate:
            await self.gate.wait()
        if self.refuses:
            raise self.refuses
        return Token(f"token-{next(self._numbers)}", self.lifetime)


async def test_a_token_is_fetched_once_for_many_who_wait() -> None:
    server = Server()
    server.gate = asyncio.Event()
    waiting = [asyncio.create_task(server.cache.get(SCOPE)) for _ in range(50)]
    await asyncio.sleep(0)
    server.gate.set()
    assert set(await asyncio.gather(*waiting)) == {"token-1"}
    assert server.asked == [SCOPE]


async def test_one_who_leaves_does_not_take_the_token_from_the_others() -> None:
    server = Server()
    server.gate = asyncio.Event()
    first, second = (asyncio.create_task(server.cache.get(SCOPE)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    server.gate.set()
    assert await second == "token-1"


async def test_each_scope_has_its_own_token() -> None:
    server = Server()
    assert await server.cache.get("a") != await server.cache.get("b")


@pytest.mark.parametrize(
    ("age", "fetches"), [(0.0, 1), (300 - tokens.MARGIN - 1, 1), (300 - tokens.MARGIN, 2), (400.0, 2)]
)
async def test_a_token_counts_as_expired_before_its_end(age: float, fetches: int) -> None:
    server = Server(lifetime=300)
    await server.cache.get(SCOPE)
    server.now = age
    await server.cache.get(SCOPE)
    assert len(server.asked) == fetches


async def test_a_token_without_a_lifetime_is_used_once() -> None:
    server = Server(lifetime=0)
    assert [await server.cache.get(SCOPE), await server.cache.get(SCOPE)] == ["token-1", "token-2"]


async def test_a_promise_beyond_an_hour_is_not_relied_on() -> None:
    server = Server(lifetime=1e9)
    await server.cache.get(SCOPE)
    server.now = tokens.LONGEST_LIFETIME
    assert await server.cache.get(SCOPE) == "token-2"


async def test_a_rejected_token_is_fetched_anew() -> None:
    server = Server()
    server.cache.reject(SCOPE, await server.cache.get(SCOPE))
    assert await server.cache.get(SCOPE) == "token-2"


async def test_rejecting_an_older_token_keeps_the_newer() -> None:
    server = Server()
    server.cache.reject(SCOPE, await server.cache.get(SCOPE))
    await server.cache.get(SCOPE)
    server.cache.reject(SCOPE, "token-1")
    assert await server.cache.get(SCOPE) == "token-2"


async def test_a_refusal_is_repeated_for_a_while_without_asking() -> None:
    server = Server()
    server.refuses = SourceError(Reason.UNAUTHORIZED, "no")
    for now in (0.0, tokens.REFUSAL_MEMORY - 0.1, tokens.REFUSAL_MEMORY):
        server.now = now
        with pytest.raises(SourceError):
            await server.cache.get(SCOPE)
    assert len(server.asked) == 2


async def test_an_outage_is_not_remembered() -> None:
    server = Server()
    server.refuses = SourceError(Reason.UNREACHABLE, "away")
    with pytest.raises(SourceError):
        await server.cache.get(SCOPE)
    server.refuses = None
    assert await server.cache.get(SCOPE) == "token-1"


async def test_the_oldest_scope_is_forgotten_first() -> None:
    server = Server()
    for number in range(tokens.CAPACITY + 1):
        await server.cache.get(str(number))
    await server.cache.get(str(tokens.CAPACITY))
    assert len(server.asked) == tokens.CAPACITY + 1
    await server.cache.get("0")
    assert server.asked[-1] == "0"
