"""What the gateway needs of its event loop: a connection that was given up closes nothing but itself.

aiohttp hands a connected socket to `create_connection(sock=...)`. A loop that closes the descriptor when the caller is
cancelled, and leaves it to the socket too, lets the socket close whatever has got that number since: the connection of
another client, a file of the store, the loop's own epoll (uvloop before 0.23).
"""

from __future__ import annotations

import asyncio
import os
import socket

import pytest


async def test_a_connect_that_was_cancelled_leaves_the_descriptors_of_others_alone() -> None:
    async with await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0) as server:
        ours = socket.create_connection(server.sockets[0].getsockname())
        ours.setblocking(False)
        number = ours.fileno()
        connecting = asyncio.ensure_future(asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours))
        await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        while _is_open(number):  # noqa: ASYNC110 # closed in a later turn of the loop, which tells nobody
            await asyncio.sleep(0.001)
        opened = os.open(os.devnull, os.O_RDONLY)  # gets the lowest number that is free
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        ours.close()
        assert _is_open(number)
        os.close(number)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
