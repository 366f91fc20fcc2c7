"""Redirects are followed by the gateway itself, as far as is safe, and credentials stay behind."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from registry_gateway.config import Upstream
from registry_gateway.sources.base import Query, Reason, SourceError
from registry_gateway.sources.transport import REDIRECT_LIMIT
from registry_gateway.sources.upstream import UpstreamSource
from registry_gateway.target import Kind
from tests.gateway.material import Material
from tests.gateway.outside import Outside
from tests.gateway.serving import PATIENT
from tests.support.fault_server import Asked, FaultServer, Reply

DIGEST = "sha256:" + "a" * 64
QUERY = Query(Kind.BLOB, "", DIGEST, headers=(("Range", "bytes=0-1"),))
CREDENTIALS = "Basic dTpw"


@asynccontextmanager
async def source(
    server: FaultServer, *, scheme: str = "http", ca: str = "", host: str = ""
) -> AsyncIterator[UpstreamSource]:
    upstream = Upstream("id", scheme, host or server.address, "deckhouse/ee", "u", "p", ca)
    made = UpstreamSource(upstream, deadlines=PATIENT)
    yield made
    await made.close()


def wants_basic(then: Reply) -> FaultServer:
    def behaviour(asked: Asked) -> Reply:
        return then if asked.header("Authorization") else Reply(401, {"WWW-Authenticate": "Basic realm=x"})

    return FaultServer(behaviour)


async def failure(made: UpstreamSource) -> SourceError:
    with pytest.raises(SourceError) as failed:
        await made.fetch(QUERY)
    return failed.value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_storage_elsewhere_is_asked_without_credentials(status: int) -> None:
    async with FaultServer(Reply(206, body=b"ab")) as storage:
        location = f"http://{storage.address}/bucket/x?signature=a%2Fb%20c"
        async with wants_basic(Reply(status, {"Location": location})) as server, source(server) as made:
            answer = await made.fetch(QUERY)
            assert b"".join([piece async for piece in answer.body]) == b"ab"
            await answer.close()
        assert [(asked.path, asked.query) for asked in storage.asked] == [("/bucket/x", "signature=a%2Fb%20c")]
        assert storage.asked[0].header("Authorization") == ""
        assert storage.asked[0].header("Range") == "bytes=0-1"


async def test_the_same_origin_keeps_the_credentials() -> None:
    def behaviour(asked: Asked) -> Reply:
        if asked.path == "/elsewhere":
            return Reply(200, body=b"ok")
        if not asked.header("Authorization"):
            return Reply(401, {"WWW-Authenticate": "Basic realm=x"})
        return Reply(307, {"Location": "/elsewhere"})

    async with FaultServer(behaviour) as server, source(server) as made:
        await (await made.fetch(QUERY)).close()
        assert server.asked[-1].header("Authorization") == CREDENTIALS


async def test_credentials_do_not_come_back_with_a_second_redirect() -> None:
    async with FaultServer(Reply(200)) as storage:

        def behaviour(asked: Asked) -> Reply:
            if asked.path == "/back":
                return Reply(200, body=b"ok")
            if not asked.header("Authorization"):
                return Reply(401, {"WWW-Authenticate": "Basic realm=x"})
            return Reply(307, {"Location": f"http://{storage.address}/"})

        async with FaultServer(behaviour) as server, source(server) as made:
            storage.behaviour = Reply(307, {"Location": f"http://{server.address}/back"})
            await (await made.fetch(QUERY)).close()
            assert server.asked[-1].path == "/back"
            assert server.asked[-1].header("Authorization") == ""


async def test_a_loop_ends_at_the_limit() -> None:
    async with FaultServer(Reply(302, {"Location": "/v2/again"})) as server, source(server) as made:
        error = await failure(made)
        assert error.reason is Reason.UPSTREAM_ERROR
        assert len(server.asked) == REDIRECT_LIMIT + 1


@pytest.mark.parametrize(
    "location",
    ["ftp://x/", "file:///etc/passwd", "http://u:p@127.0.0.1/", "http://[x/", "http://x:99999/"],
)
async def test_a_redirect_to_what_is_no_address_is_not_followed(location: str) -> None:
    async with FaultServer(Reply(302, {"Location": location})) as server, source(server) as made:
        error = await failure(made)
        assert error.reason is Reason.UPSTREAM_ERROR
        assert len(server.asked) == 1


async def test_https_is_not_left_for_http(server_tls: ssl.SSLContext, material: Material) -> None:
    async with (
        FaultServer(Reply(200)) as plain,
        FaultServer(Reply(302, {"Location": f"http://{plain.address}/x"}), tls=server_tls) as server,
        source(server, scheme="https", ca=material.ca.cert) as made,
    ):
        error = await failure(made)
        assert "without TLS" in error.message
        assert plain.asked == []


@pytest.mark.parametrize(
    "target",
    ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"],
)
async def test_an_upstream_elsewhere_cannot_point_to_this_machine(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultServer(Reply(200)) as victim:
        port = victim.address.rpartition(":")[2]
        async with FaultServer(Reply(302, {"Location": f"http://{target}:{port}/latest/meta-data"})) as server:
            host = f"registry.example.com:{server.address.rpartition(':')[2]}"
            async with source(server, host=host) as made:
                Outside.stand_in(made, monkeypatch)
                error = await failure(made)
        assert error.reason in (Reason.UPSTREAM_ERROR, Reason.UNREACHABLE)
        assert victim.asked == []


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_an_error_of_the_storage_is_not_blamed_on_the_credentials(status: int) -> None:
    async with (
        FaultServer(Reply(status)) as storage,
        FaultServer(Reply(307, {"Location": f"http://{storage.address}/x"})) as server,
        source(server) as made,
    ):
        error = await failure(made)
        assert error.reason is Reason.UPSTREAM_ERROR
        assert f"pointed to {storage.address}, which answered {status}" in error.message
