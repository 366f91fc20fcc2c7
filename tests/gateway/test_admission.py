"""Logins and streams that are too many, over real sockets: who is refused, how, and who is not."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import aiohttp
import pytest

from registry_gateway.access import Gatekeeper
from registry_gateway.api import InForce
from registry_gateway.attempts import Attempts
from registry_gateway.limits import Limits
from registry_gateway.sources.ordered import Ordered
from tests.gateway.listening import NEIGHBOUR, Listening, counted, listening
from tests.gateway.material import Material
from tests.gateway.serving import parse
from tests.support.fault_server import FaultServer, Reply
from tests.support.gateway import upstream

RIGHT, WRONG = "ro:ro-password", "ro:wr0ng-marker"
BLOB = "/v2/system/deckhouse/blobs/sha256:" + "0" * 64
LARGE, SMALL = bytes(100_000), bytes(1000)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def status(client: aiohttp.ClientSession, path: str = "/v2/") -> int:
    async with client.get(path) as answer:
        await answer.read()
        return answer.status


async def guess(served: Listening, times: int) -> list[int]:
    async with served.client(login=WRONG) as client:
        return [await status(client) for _ in range(times)]


async def test_too_many_wrong_logins_are_answered_without_a_look_at_them(material: Material) -> None:
    async with listening(material, attempts=Attempts(clock=Clock())) as served:
        assert await guess(served, 12) == [401] * 10 + [429] * 2
        async with served.client(login=RIGHT) as client, client.get("/v2/") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
            assert json.loads(await answer.read())["errors"][0]["code"] == "TOOMANYREQUESTS"


async def test_who_has_logged_in_before_is_served_beside_one_who_guesses(material: Material) -> None:
    async with listening(material) as served, served.client(login=RIGHT) as client:
        assert await status(client) == 200
        assert 429 in await guess(served, 15)
        assert [await status(client) for _ in range(5)] == [200] * 5
        config = parse([])
        before = served.api.in_force
        assert before is not None
        served.api.in_force = InForce(Gatekeeper(config, before.gatekeeper), config.alias, Ordered(()))
        assert await status(client) == 200


async def test_who_logs_in_for_the_first_time_gets_in_when_told(material: Material) -> None:
    clock = Clock()
    async with listening(material, attempts=Attempts(clock=clock)) as served, served.client(login=RIGHT) as client:
        await guess(served, 11)
        assert await status(client) == 429
        clock.now += 1
        assert await status(client) == 200


async def test_a_guess_of_another_address_holds_nobody_up(material: Material) -> None:
    async with listening(material) as served:
        assert 429 in await guess(served, 15)
        async with served.client(login=RIGHT, address=NEIGHBOUR) as client:
            assert await status(client) == 200


async def test_a_node_and_one_without_credentials_are_answered_as_ever(material: Material) -> None:
    async with listening(material) as served:
        assert 429 in await guess(served, 15)
        async with served.client(certificate=material.node) as node, served.client() as nobody:
            assert [await status(node), await status(nobody)] == [200, 401]


async def test_refused_logins_are_counted_and_never_logged(
    material: Material, capfd: pytest.CaptureFixture[str]
) -> None:
    name = "registry_access_refused_logins_total"
    before = counted(name, reason="wrong"), counted(name, reason="limited")
    async with listening(material, attempts=Attempts(clock=Clock())) as served:
        await guess(served, 12)
    assert (counted(name, reason="wrong"), counted(name, reason="limited")) == (before[0] + 10, before[1] + 2)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["status"] for line in lines] == [401] * 10 + [429] * 2
    assert not any("identity" in line or "marker" in json.dumps(line) for line in lines)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [(Limits(streams=1), "total"), (Limits(streams_per_client=1), "client")],
)
async def test_a_stream_too_many_is_sent_elsewhere(material: Material, limits: Limits, limit: str) -> None:
    gate = asyncio.Event()
    before = counted("registry_access_refused_streams_total", limit=limit)
    async with (
        FaultServer(Reply(200, body=LARGE, hold=gate)) as server,
        listening(material, [upstream(server.address, scheme="http")], limits=limits) as served,
        served.client(login=RIGHT) as client,
    ):
        async with client.get(BLOB) as first:
            async with client.get(BLOB) as second:
                assert (second.status, second.headers["Retry-After"]) == (503, "5")
                assert json.loads(await second.read())["errors"][0]["code"] == "UNAVAILABLE"
            async with client.head(BLOB) as head:
                assert head.status == 200
            async with served.client(login=RIGHT, address=NEIGHBOUR) as neighbour, neighbour.get(BLOB) as other:
                assert other.status == (503 if limit == "total" else 200)
            gate.set()
            assert await first.read() == LARGE
        assert await status(client, BLOB) == 200
    assert counted("registry_access_refused_streams_total", limit=limit) > before


async def test_small_bodies_need_no_place(material: Material) -> None:
    gate = asyncio.Event()
    async with (
        FaultServer(Reply(200, body=SMALL, hold=gate)) as server,
        listening(material, [upstream(server.address, scheme="http")], limits=Limits(streams=0)) as served,
        served.client(login=RIGHT) as client,
    ):
        asked = [asyncio.create_task(status(client, BLOB)) for _ in range(3)]
        gate.set()
        assert await asyncio.gather(*asked) == [200] * 3


async def test_a_stream_that_was_left_gives_its_place_back(material: Material) -> None:
    async with (
        FaultServer(Reply(200, body=LARGE, stop_at=10, then="stall")) as server,
        listening(material, [upstream(server.address, scheme="http")], limits=Limits(streams=1)) as served,
        served.client(login=RIGHT) as client,
    ):
        answer = await client.get(BLOB)
        answer.close()
        async with asyncio.timeout(8):
            await server.idle.wait()
            server.behaviour = Reply(200, body=LARGE)
            while await status(client, BLOB) != 200:
                pass
