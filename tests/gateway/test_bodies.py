"""Bodies through the gateway's own TLS socket: whole, in pieces, broken. A broken one never ends cleanly."""

from __future__ import annotations

import asyncio
import hashlib
import os

import aiohttp
import pytest

from tests.gateway.material import Material
from tests.gateway.serving import PATIENT, QUICK, Served, serving
from tests.support.fault_server import Asked, FaultServer, Reply
from tests.support.gateway import upstream

BODY = os.urandom(700_000)
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
BLOB = f"/v2/system/deckhouse/blobs/{DIGEST}"


def route(server: FaultServer) -> list[dict[str, str]]:
    return [upstream(server.address, scheme="http")]


async def read(served: Served, path: str = BLOB, **headers: str) -> tuple[int, bytes]:
    async with served.get(path, headers=headers) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_arrives_byte_for_byte(material: Material, chunked: bool) -> None:
    async with (
        FaultServer(Reply(200, body=BODY, chunked=chunked)) as server,
        serving(material, route(server)) as served,
    ):
        assert await read(served) == (200, BODY)


@pytest.mark.parametrize("then", ["close", "reset", "stall"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("stop_at", [0, 1, 100_000, len(BODY) - 1])
async def test_a_body_that_breaks_off_never_ends_cleanly(
    material: Material, then: str, chunked: bool, stop_at: int
) -> None:
    reply = Reply(200, body=BODY, chunked=chunked, stop_at=stop_at, then=then)  # to a request for a range as well
    deadlines = QUICK if then == "stall" else PATIENT
    async with FaultServer(reply) as server, serving(material, route(server), deadlines=deadlines) as served:
        async with asyncio.timeout(8):
            with pytest.raises(aiohttp.ClientError):
                await read(served)


async def test_bytes_beyond_the_announced_length_never_reach_the_client(material: Material) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"
    async with FaultServer(Reply(raw=raw)) as server, serving(material, route(server)) as served:
        status, body = await read(served)
        assert body == b"hello" if status == 200 else status == 502


async def test_an_encoded_body_passes_untouched(material: Material) -> None:
    reply = Reply(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b not really gzip")
    async with FaultServer(reply) as server, serving(material, route(server)) as served:
        async with served.get(BLOB) as answer:
            assert (answer.headers["Content-Encoding"], await answer.read()) == ("gzip", reply.body)
        assert server.asked[0].all("Accept-Encoding") == ["identity"]


async def test_the_client_has_the_head_before_the_body_is_there(material: Material) -> None:
    gate = asyncio.Event()
    async with (
        FaultServer(Reply(200, body=b"later", hold=gate)) as server,
        serving(material, route(server)) as served,
        served.get(BLOB) as answer,
    ):
        assert answer.status == 200
        gate.set()
        assert await answer.read() == b"later"


async def test_a_client_that_leaves_ends_the_upstream_connection(material: Material) -> None:
    reply = Reply(200, body=BODY, stop_at=100, then="stall")
    async with FaultServer(reply) as server, serving(material, route(server)) as served:
        answer = await served.get(BLOB)
        await answer.content.readany()
        answer.close()
        async with asyncio.timeout(8):
            await server.idle.wait()


async def test_a_slow_reader_slows_the_upstream_down(material: Material) -> None:
    body = bytes(64 * 1024 * 1024)
    sent = 0

    def behaviour(asked: Asked) -> Reply:
        return Reply(200, body=body)

    async with FaultServer(behaviour) as server, serving(material, route(server)) as served:
        answer = await served.get(BLOB)
        await answer.content.readany()
        before = _resident()
        await asyncio.sleep(0.2)  # time in which an unbounded gateway would read on
        assert _resident() - before < 24 * 1024 * 1024
        while piece := await answer.content.readany():
            sent += len(piece)
        assert sent > len(body) - 1024 * 1024


def _resident() -> int:
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - not a file of the project
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
