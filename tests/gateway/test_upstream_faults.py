"""A registry that fails in every way, on real sockets: what is the verdict, and does it say host, status and remedy?"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest

from registry_gateway.config import Upstream
from registry_gateway.sources.base import Answer, Query, Reason, SourceError
from registry_gateway.sources.transport import Deadlines
from registry_gateway.sources.upstream import UpstreamSource
from registry_gateway.target import Kind
from tests.gateway.material import Material
from tests.gateway.serving import PATIENT, QUICK
from tests.support.certs import issue, make_ca
from tests.support.fault_server import Asked, FaultServer, Reply
from tests.support.gateway import free_port

QUERY = Query(Kind.MANIFEST, "", "v1")
CHALLENGE = {"WWW-Authenticate": 'Basic realm="x"'}


@asynccontextmanager
async def source(
    server: str,
    *,
    ca: str = "",
    scheme: str = "https",
    user: str = "",
    password: str = "",
    deadlines: Deadlines = PATIENT,
) -> AsyncIterator[UpstreamSource]:
    made = UpstreamSource(Upstream("id", scheme, server, "deckhouse/ee", user, password, ca), deadlines=deadlines)
    yield made
    await made.close()


async def failure(made: UpstreamSource, query: Query = QUERY) -> SourceError:
    with pytest.raises(SourceError) as failed:
        await made.fetch(query)
    return failed.value


async def test_a_refused_connection_is_unreachable() -> None:
    host = f"127.0.0.1:{free_port()}"
    async with source(host) as made:
        error = await failure(made)
    assert (error.reason, error.message.startswith(host), "refused" in error.message) == (
        Reason.UNREACHABLE,
        True,
        True,
    )


async def test_a_name_without_address_is_unreachable() -> None:
    async with source("registry.invalid") as made:
        error = await failure(made)
    assert error.reason is Reason.UNREACHABLE
    assert "registry.invalid has no usable address" in error.message


async def test_an_address_that_swallows_packets_is_unreachable_within_the_deadline() -> None:
    # A full accept queue swallows further connection attempts, as a black hole does.
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        async with source(host, scheme="http", deadlines=QUICK) as made, asyncio.timeout(8):
            error = await failure(made)
    assert error.reason is Reason.UNREACHABLE
    assert host in error.message


@pytest.mark.parametrize(
    ("names", "days", "word"),
    [(["localhost"], 365, "another address"), (["127.0.0.1"], 365, "another address"), ([], 0.01, "expired")],
)
async def test_a_wrong_certificate_is_named(material: Material, names: list[str], days: float, word: str) -> None:
    pair = issue(material.ca, names=names, ips=[] if names else ["127.0.0.1"], days=days)
    async with (
        FaultServer(Reply(), tls=material.server_context(pair)) as server,
        source(server.address, ca=material.ca.cert) as made,
    ):
        error = await failure(made)
    assert error.reason is Reason.TLS_FAILED
    assert word in error.message


async def test_an_unknown_authority_is_named_with_the_remedy(server_tls: ssl.SSLContext) -> None:
    async with FaultServer(Reply(), tls=server_tls) as server, source(server.address) as made:
        error = await failure(made)
    assert error.reason is Reason.TLS_FAILED
    assert f"{server.address}: its certificate authority is not trusted; set" in error.message


async def test_the_given_authority_is_added_to_those_of_the_system(
    server_tls: ssl.SSLContext, material: Material
) -> None:
    both = make_ca("another").cert + material.ca.cert
    async with FaultServer(Reply(), tls=server_tls) as server, source(server.address, ca=both) as made:
        answer = await made.fetch(QUERY)
        await answer.close()
    assert answer.status == 200


async def test_plain_http_on_an_https_port_is_named(material: Material) -> None:
    async with FaultServer(Reply()) as server, source(server.address, ca=material.ca.cert) as made:
        error = await failure(made)
    assert error.reason is Reason.TLS_FAILED
    assert "does not speak TLS" in error.message


async def test_https_on_an_http_port_is_no_registry(server_tls: ssl.SSLContext) -> None:
    async with FaultServer(Reply(), tls=server_tls) as server, source(server.address, scheme="http") as made:
        error = await failure(made)
    assert error.reason in (Reason.NOT_A_REGISTRY, Reason.UNREACHABLE)
    assert server.address in error.message


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00\x01\x02\r\n\r\n"])
async def test_another_protocol_is_no_registry(raw: bytes) -> None:
    async with FaultServer(Reply(raw=raw)) as server, source(server.address, scheme="http") as made:
        error = await failure(made)
    assert error.reason is Reason.NOT_A_REGISTRY


async def test_silence_is_unreachable_within_the_deadline() -> None:
    async with (
        FaultServer(Reply(silent=True)) as server,
        source(server.address, scheme="http", deadlines=QUICK) as made,
    ):
        async with asyncio.timeout(8):
            error = await failure(made)
        assert error.reason is Reason.UNREACHABLE
        assert "did not answer within 0.7 s" in error.message


async def test_a_connection_closed_before_the_answer_is_unreachable() -> None:
    async with FaultServer(Reply(raw=b"\r\n")) as server, source(server.address, scheme="http") as made:
        assert (await failure(made)).reason in (Reason.UNREACHABLE, Reason.NOT_A_REGISTRY)


@pytest.mark.parametrize(
    ("status", "reason", "remedy"),
    [
        (401, Reason.UNAUTHORIZED, "check user and password"),
        (403, Reason.FORBIDDEN, "check the user's rights"),
        (404, Reason.NOT_FOUND, "copy the image there"),
        (400, Reason.UPSTREAM_ERROR, "check `scheme`"),
        (429, Reason.UPSTREAM_ERROR, "limits the rate"),
        (500, Reason.UPSTREAM_ERROR, "log"),
        (503, Reason.UPSTREAM_ERROR, "log"),
        (418, Reason.UPSTREAM_ERROR, "log"),
    ],
)
async def test_a_refusal_names_host_status_image_and_remedy(status: int, reason: Reason, remedy: str) -> None:
    reply = Reply(status, {"Retry-After": "9", **CHALLENGE}, b"secret words of the server")
    async with FaultServer(reply) as server, source(server.address, scheme="http") as made:
        error = await failure(made)
    assert (error.reason, error.status) == (reason, status)
    assert error.message.startswith(f"{server.address} answered {status} for deckhouse/ee:v1; ")
    assert remedy in error.message
    assert "secret words" not in error.message


async def test_a_401_loop_ends_after_one_more_try() -> None:
    async with (
        FaultServer(Reply(401, CHALLENGE)) as server,
        source(server.address, scheme="http", user="u", password="p") as made,
    ):
        error = await failure(made)
        assert error.reason is Reason.UNAUTHORIZED
        assert [asked.header("Authorization") for asked in server.asked] == ["", "Basic dTpw"]


async def test_an_anonymous_upstream_is_never_sent_an_authorization() -> None:
    async with FaultServer(Reply(401, CHALLENGE)) as server, source(server.address, scheme="http") as made:
        await failure(made)
        assert [asked.header("Authorization") for asked in server.asked] == [""]


async def test_basic_credentials_are_sent_at_once_when_they_are_known_to_be_wanted() -> None:
    def behaviour(asked: Asked) -> Reply:
        return Reply(200) if asked.header("Authorization") == "Basic dTpw" else Reply(401, CHALLENGE)

    async with FaultServer(behaviour) as server, source(server.address, scheme="http", user="u", password="p") as made:
        for _ in range(3):
            await (await made.fetch(QUERY)).close()
        assert len(server.asked) == 4


async def test_a_web_page_is_no_manifest() -> None:
    page = Reply(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>")
    async with FaultServer(page) as server, source(server.address, scheme="http") as made:
        assert (await failure(made)).reason is Reason.NOT_A_REGISTRY


async def test_a_body_that_could_end_anywhere_is_refused() -> None:
    endless = Reply(200, body=b"x" * 10, no_length=True)
    async with FaultServer(endless) as server, source(server.address, scheme="http") as made:
        error = await failure(made)
    assert error.reason is Reason.UPSTREAM_ERROR
    assert "without a length" in error.message


async def test_a_source_that_was_unreachable_ails_until_it_answers() -> None:
    async with (
        FaultServer(Reply(silent=True)) as server,
        source(server.address, scheme="http", deadlines=QUICK) as made,
    ):
        await failure(made)
        assert made.ailing
        server.behaviour = Reply(404)
        await failure(made)
        assert not made.ailing


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(200, {"Content-Type": "application/json"}, b"{}"), None),
        (Reply(404), Reason.NOT_A_REGISTRY),
        (Reply(200, {"Content-Type": "text/html"}, b"<html>"), Reason.NOT_A_REGISTRY),
        (Reply(401, CHALLENGE), Reason.UNAUTHORIZED),
        (Reply(403), Reason.FORBIDDEN),
        (Reply(503), Reason.UPSTREAM_ERROR),
    ],
)
async def test_a_probe_tells_registries_from_others(reply: Reply, reason: Reason | None) -> None:
    async with FaultServer(reply) as server, source(server.address, scheme="http") as made:
        if reason is None:
            await made.probe()
        else:
            with pytest.raises(SourceError) as failed:
                await made.probe()
            assert failed.value.reason is reason
        assert [asked.path for asked in server.asked] == ["/v2/"]


async def test_a_retired_source_closes_after_its_last_answer() -> None:
    body = b"x" * 300_000
    async with FaultServer(Reply(200, body=body)) as server, source(server.address, scheme="http") as made:
        answer: Answer = await made.fetch(QUERY)
        await made.retire()
        assert b"".join([piece async for piece in answer.body]) == body
        await answer.close()
        with pytest.raises((SourceError, RuntimeError)):
            await made.fetch(QUERY)
