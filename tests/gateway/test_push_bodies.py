"""Bodies of pushes: when they are asked for, how fast they are taken, and what is left when they do not come whole."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from registry_gateway.limits import Limits
from tests.gateway.listening import counted, until
from tests.gateway.material import Material
from tests.gateway.pushing import UPLOADS, Pushing, login, pushing
from tests.store.site import digest

BLOB = bytes(range(256)) * 1000
DIGEST = digest(BLOB)
MIB = 1024 * 1024
END = 20  # seconds in which a thing that must happen has happened
BODY_BYTES = "registry_access_bytes_total"


@pytest.fixture
async def push(material: Material, folder: Path) -> AsyncIterator[Pushing]:
    async with pushing(material, folder) as served:
        yield served


class Wire:
    """A connection of which each byte is the test's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def head(self, method: str, path: str, *headers: str, user: str = "rw") -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: {login(user)}", *headers]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())

    async def answer(self) -> tuple[int, str]:
        """The next answer's status, and all of it."""
        async with asyncio.timeout(END):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await self.reader.readexactly(int(fields.get("Content-Length", 0)))
        return int(head.split()[1]), head + body.decode()

    def cut(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def wire(push: Pushing) -> AsyncIterator[Wire]:
    made = Wire(*await asyncio.open_connection("127.0.0.1", push.port, ssl=push.material.client_context()))
    yield made
    made.writer.close()


def received(push: Pushing, location: str) -> int:
    """Bytes of an upload that are on disk."""
    return (push.folder / "incoming" / f"upload-{location.rpartition('/')[2]}").stat().st_size


async def test_a_body_that_waits_to_be_asked_for_is_asked_for(push: Pushing) -> None:
    location = await push.begin()
    async with wire(push) as one:
        for start in (0, 100_000):
            one.head("PATCH", location, "Content-Length: 100000", "Expect: 100-continue")
            assert (await one.answer())[0] == 100
            one.writer.write(BLOB[start : start + 100_000])
            assert (await one.answer())[0] == 202
    assert (await push.finish(location, DIGEST, BLOB[200_000:])).status == 201


async def test_a_body_that_is_refused_is_not_asked_for(push: Pushing) -> None:
    location = await push.begin()
    for path, user, status in ((location, "ro", 403), (f"{UPLOADS}{'0' * 32}", "rw", 404)):
        async with wire(push) as one:
            one.head("PATCH", path, "Content-Length: 100000", "Expect: 100-continue", user=user)
            got, answer = await one.answer()
            assert got == status
            assert "Connection: close" in answer


async def test_a_connection_serves_on_after_a_refused_push(push: Pushing) -> None:
    async with wire(push) as one:
        for _ in range(3):
            one.head("PATCH", f"{UPLOADS}{'0' * 32}", "Content-Length: 50000", user="ro")
            one.writer.write(bytes(50_000))
            assert (await one.answer())[0] == 403
        one.head("POST", f"{UPLOADS}?digest={digest(b'x')}", "Content-Length: 1")
        one.writer.write(b"x")
        assert (await one.answer())[0] == 201


async def test_a_refused_push_whose_body_is_long_costs_the_connection_and_says_so(push: Pushing) -> None:
    async with wire(push) as one:
        one.head("PATCH", f"{UPLOADS}{'0' * 32}", f"Content-Length: {64 * MIB}", user="ro")
        one.writer.write(bytes(MIB))
        status, answer = await one.answer()
        assert status == 403
        assert "Connection: close" in answer


async def test_an_upload_goes_on_where_its_connection_was_cut(push: Pushing) -> None:
    location = await push.begin()
    async with wire(push) as one:
        one.head("PATCH", location, f"Content-Length: {len(BLOB)}")
        one.writer.write(BLOB[:100_000])
        await until(lambda: received(push, location) == 100_000)
        one.cut()
    async with asyncio.timeout(END):
        while (rest := await push.chunk(location, BLOB[100_000:], f"100000-{len(BLOB) - 1}")).status == 503:
            assert rest.headers["Retry-After"], "the gateway has not noticed yet that the first one is gone"
    assert rest.status == 202
    assert (await push.finish(location, DIGEST)).status == 201
    assert push.stored(DIGEST) == BLOB


@pytest.mark.parametrize("named", [True, False])
async def test_a_truncated_blob_is_not_stored(push: Pushing, named: bool) -> None:
    location = await push.begin() if named else ""
    before = counted(BODY_BYTES, direction="in", source="push")
    async with wire(push) as one:
        method, path = ("PUT", location) if named else ("POST", UPLOADS)
        one.head(method, f"{path}?digest={DIGEST}", f"Content-Length: {len(BLOB)}")
        one.writer.write(BLOB[:-1])
        await until(lambda: counted(BODY_BYTES, direction="in", source="push") == before + len(BLOB) - 1)
        one.cut()
    if named:
        await until(lambda: len(push.leftovers()) == 1)
        assert push.stored(DIGEST) is None
        async with asyncio.timeout(END):
            while (done := await push.finish(location, DIGEST, BLOB[-1:])).status == 503:
                pass
        assert done.status == 201
    else:
        await until(lambda: push.leftovers() == [])
        assert push.stored(DIGEST) is None


async def test_a_body_that_stops_coming_is_told_so_and_can_go_on(material: Material, folder: Path) -> None:
    async with pushing(material, folder, limits=Limits(stall_seconds=0.3)) as push:
        location = await push.begin()
        async with wire(push) as one:
            one.head("PATCH", location, f"Content-Length: {len(BLOB)}")
            one.writer.write(BLOB[:1000])
            status, answer = await one.answer()
            assert status == 408
            assert "Connection: close" in answer
        assert (await push.ask("GET", location)).headers["Range"] == "0-999"
        assert (await push.finish(location, DIGEST, BLOB[1000:])).status == 201


async def test_a_body_that_breaks_the_rules_of_http_ends_like_one_that_stops(material: Material, folder: Path) -> None:
    async with pushing(material, folder, limits=Limits(stall_seconds=0.5)) as push:
        location = await push.begin()
        async with wire(push) as one:
            one.head("PATCH", location, "Transfer-Encoding: chunked")
            one.writer.write(b"5\r\nhello\r\n")
            await until(lambda: received(push, location) == 5)
            one.writer.write(b"nonsense\r\n")
            assert (await one.answer())[0] == 408
        assert (await push.finish(location, digest(b"hello"))).status == 201, "what came before is there"


async def test_two_requests_do_not_write_to_one_upload_at_a_time(push: Pushing) -> None:
    location = await push.begin()
    async with wire(push) as one:
        one.head("PATCH", location, "Content-Length: 10")
        one.writer.write(b"01234")
        await until(lambda: received(push, location) == 5)
        for refused in (await push.chunk(location, b"x"), await push.ask("DELETE", location)):
            assert (refused.status, refused.code) == (503, "BLOB_UPLOAD_INVALID")
            assert refused.headers["Retry-After"]
        assert (await push.ask("GET", location)).headers["Range"] == "0-4"
        one.writer.write(b"56789")
        assert (await one.answer())[0] == 202
    assert (await push.finish(location, digest(b"0123456789"))).status == 201


async def test_a_client_waits_when_the_disk_does(push: Pushing) -> None:
    go, blocked = threading.Event(), []
    size, location = 64 * MIB, await push.begin()
    before = counted(BODY_BYTES, direction="in", source="push")
    async with wire(push) as one:
        one.head("PATCH", location, f"Content-Length: {size}")
        one.writer.write(bytes(1000))
        await until(lambda: received(push, location) == 1000)
        blocked = [asyncio.create_task(push.store._home.write(go.wait)) for _ in range(4)]  # all threads that write

        async def send() -> None:
            for _ in range(63):
                one.writer.write(bytes(MIB))
                await one.writer.drain()
            one.writer.write(bytes(MIB - 1000))

        sending = asyncio.create_task(send())
        await asyncio.wait([sending], timeout=1)
        assert not sending.done()
        assert counted(BODY_BYTES, direction="in", source="push") - before < 3 * MIB
        go.set()
        assert (await one.answer())[0] == 202
        await asyncio.gather(sending, *blocked)
    assert (await push.finish(location, digest(bytes(size)))).status == 201


async def test_one_address_has_so_many_pushes_at_a_time_and_no_more(material: Material, folder: Path) -> None:
    async with pushing(material, folder, limits=Limits(streams_per_client=1)) as push:
        location, other = await push.begin(), await push.begin()
        async with wire(push) as one:
            one.head("PATCH", location, f"Content-Length: {len(BLOB)}")
            one.writer.write(BLOB[:5])
            await until(lambda: received(push, location) == 5)
            refused = await push.chunk(other, BLOB)
            assert (refused.status, refused.code) == (503, "UNAVAILABLE")
            assert refused.headers["Retry-After"]
            assert (await push.chunk(other, BLOB[:1000])).status == 202, "small ones do not count"
            one.writer.write(BLOB[5:])
            assert (await one.answer())[0] == 202
        assert (await push.finish(location, DIGEST)).status == 201
