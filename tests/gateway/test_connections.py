"""A server that stops waits for what it still has to send, not only for its handlers."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from registry_gateway.connections import Server

BODY = b"x" * 60_000  # more than the kernel takes here, less than what lets a handler wait


async def _answer(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=BODY)


def _listening() -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # accepted connections inherit it
    bound.bind(("127.0.0.1", 0))
    return bound


async def _ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=client, limit=4096)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readline()  # it has begun to answer
    return reader, writer


async def test_a_closed_connection_is_gone_when_the_client_has_taken_all_of_it() -> None:
    server, bound = Server(_answer, access_log=None), _listening()
    listening = await asyncio.get_running_loop().create_server(server, sock=bound)
    reader, writer = await _ask(bound.getsockname()[1])
    listening.close()
    server.pre_shutdown()
    await server.shutdown(5)
    gone = asyncio.create_task(server.gone())
    await asyncio.sleep(0)
    assert not gone.done()
    _, body = (await reader.read()).split(b"\r\n\r\n", 1)
    assert body == BODY
    await asyncio.wait_for(gone, 5)
    writer.close()


async def test_a_server_without_connections_has_none_to_wait_for() -> None:
    await asyncio.wait_for(Server(_answer, access_log=None).gone(), 5)


@pytest.mark.parametrize("clients", [1, 3])
async def test_every_connection_counts(clients: int) -> None:
    server, bound = Server(_answer, access_log=None), _listening()
    listening = await asyncio.get_running_loop().create_server(server, sock=bound)
    asked = [await _ask(bound.getsockname()[1]) for _ in range(clients)]
    listening.close()
    gone = asyncio.create_task(server.gone())
    for _, writer in asked:
        await asyncio.sleep(0)
        assert not gone.done()
        writer.transport.abort()
    await asyncio.wait_for(gone, 5)
