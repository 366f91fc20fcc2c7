"""A client that takes nothing is told from one that is slow, by what the kernel says of its connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from registry_gateway.standstill import Standstill
from tests.support.gateway import wait_until


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listening.getsockname())
        server, _ = listening.accept()
        with server:
            server.setblocking(False)
            yield server, client


def fill(server: socket.socket) -> None:
    with suppress(BlockingIOError):
        while True:
            server.send(bytes(65536))


def test_a_client_that_takes_nothing_stands_still_until_it_takes_a_little() -> None:
    with connection() as (server, client):
        fill(server)
        standstill = Standstill(server)
        wait_until(
            lambda: standstill.seconds(10) == 0 and standstill.seconds(15) == 5, what="the kernel's rest", seconds=30
        )
        assert standstill.seconds(70) >= 55

        def takes() -> bool:
            client.recv(1024)
            return standstill.seconds(80) == 0

        wait_until(takes, what="acknowledged bytes", seconds=30)
        assert standstill.seconds(81) <= 1


def test_who_has_nothing_to_take_does_not_stand_still() -> None:
    with connection() as (server, client):
        standstill = Standstill(server)
        assert [standstill.seconds(now) for now in (0, 100, 1000)] == [0, 0, 0]
        server.send(b"all")
        assert client.recv(3) == b"all"
        wait_until(
            lambda: standstill.seconds(2000) == 0 == standstill.seconds(3000), what="acknowledgement", seconds=30
        )


def test_a_closed_connection_is_an_error() -> None:
    with connection() as (server, _):
        standstill = Standstill(server)
        server.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            standstill.seconds(0)
