"""Sources that fail and come back: who is asked first, and how many try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from registry_gateway.config import Upstream
from registry_gateway.sources import breaker
from registry_gateway.sources.base import Query
from registry_gateway.sources.breaker import Breaker
from registry_gateway.sources.ordered import NoAnswerError, first_answer
from registry_gateway.sources.upstream import UpstreamSource
from registry_gateway.target import Kind
from tests.gateway.serving import PATIENT, QUICK, until
from tests.support.fault_server import FaultServer, Reply

QUERY = Query(Kind.MANIFEST, "", "v1")
GOOD, BROKEN = Reply(200, body=b"{}"), Reply(raw=b"\r\n")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Pair:
    """Two registries, asked in this order, and the time by which the first is judged."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.first, self.second = FaultServer(GOOD), FaultServer(GOOD)

    async def ask(self) -> str:
        answer = await first_answer(self.sources, QUERY)
        await answer.close()
        return "first" if answer.source == self.first.address else "second"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.first, self.second:
            self.sources = [
                UpstreamSource(Upstream("id", "http", server.address, "p"), deadlines=PATIENT)
                for server in (self.first, self.second)
            ]
            self.sources[0]._breaker = Breaker(clock=self.clock)
            yield
            for source in self.sources:
                await source.close()


async def test_a_source_that_failed_is_left_alone_until_its_time_is_over() -> None:
    pair = Pair()
    async with pair.running():
        pair.first.behaviour = BROKEN
        assert await pair.ask() == "second"
        asked = len(pair.first.asked)
        assert [await pair.ask() for _ in range(5)] == ["second"] * 5
        assert len(pair.first.asked) == asked
        pair.first.behaviour = GOOD
        assert await pair.ask() == "second"
        pair.clock.now += breaker.SHORTEST
        assert [await pair.ask() for _ in range(2)] == ["first"] * 2


async def test_an_overloaded_source_is_left_alone_after_some_answers() -> None:
    pair = Pair()
    async with pair.running():
        pair.first.behaviour = Reply(503)
        assert [await pair.ask() for _ in range(6)] == ["second"] * 6
        assert len(pair.first.asked) == breaker.STUMBLES


async def test_one_request_tries_while_the_others_go_elsewhere() -> None:
    pair = Pair()
    async with pair.running():
        pair.first.behaviour = BROKEN
        await pair.ask()
        pair.clock.now += breaker.SHORTEST
        pair.first.behaviour = Reply(silent=True)
        pair.first.asked.clear()
        trying = asyncio.create_task(pair.ask())
        await until(lambda: bool(pair.first.asked))
        assert [await pair.ask() for _ in range(5)] == ["second"] * 5
        assert len(pair.first.asked) == 1
        trying.cancel()
        pair.first.behaviour = GOOD
        await asyncio.wait([trying])
        assert await pair.ask() == "first"


async def test_a_single_source_is_always_asked_and_keeps_nobody_beyond_its_deadline() -> None:
    async with FaultServer(Reply(silent=True)) as server:
        only = UpstreamSource(Upstream("id", "http", server.address, "p"), deadlines=QUICK)
        asked = 0
        for _ in range(2):
            async with asyncio.timeout(8):
                results = await asyncio.gather(
                    *(first_answer([only], QUERY) for _ in range(20)), return_exceptions=True
                )
            assert all(isinstance(result, NoAnswerError) for result in results)
            assert len(server.asked) > asked
            asked = len(server.asked)
        server.behaviour = GOOD
        assert only.ailing
        await (await first_answer([only], QUERY)).close()
        assert not only.ailing
        await only.close()


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
async def test_a_refusal_is_no_failure(status: int) -> None:
    pair = Pair()
    async with pair.running():
        pair.first.behaviour = Reply(status)
        for _ in range(breaker.STUMBLES + 1):
            await pair.ask()
        assert len(pair.first.asked) == breaker.STUMBLES + 1
