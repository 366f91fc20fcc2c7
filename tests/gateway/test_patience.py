"""Connections that are too many or too slow, at real sockets: closed, counted, and no burden on anybody else."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from registry_gateway.limits import Limits
from tests.gateway.listening import NEIGHBOUR, Listening, counted, listening, until
from tests.gateway.material import Material
from tests.gateway.serving import LOGIN
from tests.support.fault_server import FaultServer, Reply
from tests.support.gateway import upstream

HEAD = f"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: {LOGIN['Authorization']}\r\n\r\n".encode()
BLOB = b"/v2/system/deckhouse/blobs/sha256:" + b"0" * 64
BRIEF, SHORT = Limits(head_seconds=0.3), Limits(head_seconds=1.0)
CLOSED = "registry_access_closed_connections_total"
END = 8  # seconds in which a thing that must happen has happened


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, however it ends."""
    came = b""
    async with asyncio.timeout(END):
        try:
            while piece := await reader.read(65536):
                came += piece
        except OSError:
            pass
    return came


async def answered(reader: asyncio.StreamReader) -> bool:
    """Whether `/v2/` was answered with 200."""
    async with asyncio.timeout(END):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
    return b" 200 " in head.partition(b"\r\n")[0]


@pytest.mark.parametrize("start", [b"", b"GET", HEAD[:-2]])
async def test_a_head_that_does_not_come_whole_in_time_costs_the_connection(material: Material, start: bytes) -> None:
    before = counted(CLOSED, reason="head")
    async with listening(material, limits=BRIEF) as served:
        reader, writer = await served.connect()
        writer.write(start)
        assert await ended(reader) == b""
        assert counted(CLOSED, reason="head") == before + 1
        writer.close()


async def test_the_time_for_the_next_head_begins_with_its_first_byte(material: Material) -> None:
    async with listening(material, limits=SHORT) as served:
        reader, writer = await served.connect()
        writer.write(HEAD)
        assert await answered(reader)
        await asyncio.sleep(1.2)  # idle for longer than a head may take
        writer.write(HEAD)
        assert await answered(reader)
        writer.write(HEAD[:30])
        assert await ended(reader) == b""
        writer.close()


async def test_a_head_in_pieces_is_answered(material: Material) -> None:
    async with listening(material) as served:
        reader, writer = await served.connect()
        for place in range(0, len(HEAD), 20):
            writer.write(HEAD[place : place + 20])
            await asyncio.sleep(0)
        assert await answered(reader)
        writer.close()


async def test_an_answer_may_take_longer_than_a_head(material: Material) -> None:
    gate = asyncio.Event()
    async with (
        FaultServer(Reply(200, body=b"late", hold=gate)) as server,
        listening(material, [upstream(server.address, scheme="http")], limits=SHORT) as served,
    ):
        reader, writer = await served.connect()
        writer.write(HEAD.replace(b"/v2/", BLOB))
        asyncio.get_running_loop().call_later(1.2, gate.set)
        async with asyncio.timeout(END):
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(4) == b"late"
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n\r\n"])
async def test_who_makes_no_handshake_is_counted(material: Material, sent: bytes) -> None:
    before = counted(CLOSED, reason="handshake")
    async with listening(material) as served:
        _, writer = await served.connect(plain=True)
        writer.write(sent)
        writer.write_eof()
        await until(lambda: counted(CLOSED, reason="handshake") > before)
        assert counted("registry_access_open_connections") == 0
        writer.close()


@pytest.mark.parametrize(
    ("limits", "limit"), [(Limits(connections=1), "total"), (Limits(connections_per_client=1), "client")]
)
async def test_a_connection_too_many_is_closed_at_once(
    material: Material, limits: Limits, limit: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = counted(CLOSED, reason=limit)
    async with listening(material, limits=limits) as served:
        reader, writer = await served.connect()
        for _ in range(5):
            refused, other = await served.connect(plain=True)
            assert await ended(refused) == b""
            other.close()
        assert counted(CLOSED, reason=limit) == before + 5
        writer.write(HEAD)
        assert await answered(reader)
        assert await neighbour(served) == (limit == "client")
        writer.close()
        await until(lambda: not counted("registry_access_open_connections"))
        reader, writer = await served.connect()
        writer.write(HEAD)
        assert await answered(reader)
        writer.close()
    said = [line for line in capfd.readouterr().out.splitlines() if "too many" in line]
    assert 1 <= len(said) < 5
    assert json.loads(said[0])["limit"] == limit


async def neighbour(served: Listening) -> bool:
    """Whether a client with another address is served."""
    async with served.client(address=NEIGHBOUR, login="ro:ro-password") as client:
        try:
            async with client.get("/v2/") as answer:
                return answer.status == 200
        except OSError:
            return False


def narrow(port: int) -> socket.socket:
    """A connection whose kernel takes next to nothing beforehand."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    bound.connect(("127.0.0.1", port))
    return bound


async def test_a_client_that_takes_nothing_frees_its_upstream(material: Material) -> None:
    reply = Reply(200, body=bytes(32 * 1024 * 1024))
    async with (
        FaultServer(reply) as server,
        listening(material, [upstream(server.address, scheme="http")], limits=Limits(stall_seconds=0.5)) as served,
    ):
        context = material.client_context()
        reader, writer = await asyncio.open_connection(
            sock=narrow(served.port), ssl=context, server_hostname="localhost", limit=4096
        )
        writer.write(HEAD.replace(b"/v2/", BLOB))
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(END):
            await server.idle.wait()
        assert len(await ended(reader)) < len(reply.body)
        writer.close()


async def test_a_client_that_takes_a_little_now_and_then_gets_all(material: Material) -> None:
    body = bytes(range(256)) * 16384
    async with (
        FaultServer(Reply(200, body=body)) as server,
        listening(material, [upstream(server.address, scheme="http")], limits=Limits(stall_seconds=2)) as served,
    ):
        context = material.client_context()
        reader, writer = await asyncio.open_connection(
            sock=narrow(served.port), ssl=context, server_hostname="localhost", limit=4096
        )
        writer.write(HEAD.replace(b"/v2/", BLOB))
        came = b""
        async with asyncio.timeout(60):
            await reader.readuntil(b"\r\n\r\n")
            while len(came) < len(body):
                came += await reader.readexactly(min(65536, len(body) - len(came)))
                # 5 s for the whole, more than twice what it may stand still. TLS takes some 200 KiB from the socket at
                # once: it stands still for a fourth of a second on an idle machine, which leaves room for a busy one.
                await asyncio.sleep(0.08)
        assert came == body
        writer.close()


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"PATCH"])
async def test_a_short_body_of_a_request_is_passed_over(material: Material, method: bytes) -> None:
    async with listening(material) as served:
        reader, writer = await served.connect()
        writer.write(HEAD.replace(b"GET", method).replace(b"\r\n\r\n", b"\r\nContent-Length: 9000\r\n\r\n"))
        await writer.drain()
        writer.write(bytes(9000) + HEAD)
        async with asyncio.timeout(END):
            expected = b" 200 " if method in (b"GET", b"HEAD") else b" 405 "
            assert expected in await reader.readuntil(b"\r\n\r\n")
            while b" 200 OK" not in await reader.readline():  # the rest of the first answer
                pass
        writer.close()


async def test_a_long_body_of_a_request_is_not_read(material: Material) -> None:
    async with listening(material) as served:
        reader, writer = await served.connect()
        writer.write(HEAD.replace(b"GET", b"PUT").replace(b"\r\n\r\n", b"\r\nContent-Length: 99999999999\r\n\r\n"))
        pump, sent = bytes(65536), 0
        answer = asyncio.create_task(ended(reader))
        while not answer.done() and sent < 1 << 30:
            try:
                writer.write(pump)
                await writer.drain()
                sent += len(pump)
            except OSError:
                break
        assert b" 405 " in (await answer).partition(b"\r\n")[0]
        writer.close()


async def test_a_body_that_waits_to_be_asked_for_is_not_waited_for(material: Material) -> None:
    async with listening(material) as served:
        reader, writer = await served.connect()
        expect = b"\r\nContent-Length: 9000\r\nExpect: 100-continue\r\n\r\n"
        writer.write(HEAD.replace(b"GET", b"PUT").replace(b"\r\n\r\n", expect))
        assert b" 405 " in (await ended(reader)).partition(b"\r\n")[0]
        writer.close()
