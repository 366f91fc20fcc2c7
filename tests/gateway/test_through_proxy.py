"""Requests through a real HTTP proxy: that it is used, who sees which credentials, where it does not help to get to."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from registry_gateway.config import Upstream
from registry_gateway.proxies import Proxies, bypasses, proxy
from registry_gateway.sources.base import Query, Reason, SourceError
from registry_gateway.sources.transport import Deadlines
from registry_gateway.sources.upstream import UpstreamSource
from registry_gateway.target import Kind
from tests.gateway.material import Material
from tests.gateway.outside import Outside
from tests.gateway.serving import PATIENT, QUICK
from tests.support.certs import issue
from tests.support.fault_server import Asked, FaultServer, Reply
from tests.support.gateway import free_port
from tests.support.proxy import Passed, ProxyServer

NAME = "registry.example.com"
QUERY = Query(Kind.MANIFEST, "", "v1")
LOGIN = "Basic cHg6c2VjcmV0"  # px:secret
BODY = b'{"schemaVersion": 2}'


@pytest.fixture
def named_tls(material: Material) -> ssl.SSLContext:
    """The context of a registry whose name only the proxy can resolve."""
    return material.server_context(issue(material.ca, names=[NAME]))


@asynccontextmanager
async def source(
    through: str,
    *,
    scheme: str = "http",
    host: str = NAME,
    ca: str = "",
    exceptions: Sequence[str] = (),
    deadlines: Deadlines = PATIENT,
    **settings: Any,
) -> AsyncIterator[UpstreamSource]:
    proxies = Proxies(proxy(through), proxy(through), bypasses(exceptions))
    made = UpstreamSource(Upstream("id", scheme, host, "p", ca=ca, proxies=proxies, **settings), deadlines=deadlines)
    yield made
    await made.close()


async def read(made: UpstreamSource) -> bytes:
    answer = await made.fetch(QUERY)
    body = b"".join([piece async for piece in answer.body])
    await answer.close()
    return body


async def failure(made: UpstreamSource) -> SourceError:
    with pytest.raises(SourceError) as failed:
        await made.fetch(QUERY)
    return failed.value


async def test_https_goes_through_a_tunnel(material: Material, named_tls: ssl.SSLContext) -> None:
    async with (
        FaultServer(Reply(200, body=BODY), tls=named_tls) as server,
        ProxyServer({f"{NAME}:443": server.address}) as via,
        source(f"http://px:secret@{via.address}", scheme="https", ca=material.ca.cert) as made,
    ):
        assert [await read(made) for _ in range(3)] == [BODY] * 3
        assert via.asked == [Passed("CONNECT", f"{NAME}:443", LOGIN)]  # one tunnel for all
        assert [asked.header("Proxy-Authorization") for asked in server.asked] == [""] * 3


async def test_http_is_handed_to_the_proxy_whole() -> None:
    async with (
        FaultServer(Reply(200, body=BODY)) as server,
        ProxyServer({f"{NAME}:80": server.address}) as via,
        source(f"http://px:secret@{via.address}") as made,
    ):
        assert [await read(made) for _ in range(2)] == [BODY] * 2
        assert via.asked == [Passed("GET", f"http://{NAME}/v2/p/manifests/v1", LOGIN)] * 2
        assert server.asked[0].header("Host") == NAME


async def test_a_proxy_without_credentials_gets_none() -> None:
    async with (
        FaultServer(Reply(200, body=BODY)) as server,
        ProxyServer({f"{NAME}:80": server.address}) as via,
        source(f"http://{via.address}") as made,
    ):
        await read(made)
        assert via.asked[0].login == ""


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_exception_goes_past_the_proxy(
    material: Material, named_tls: ssl.SSLContext, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = named_tls if scheme == "https" else None
    async with FaultServer(Reply(200, body=BODY), tls=tls) as server, ProxyServer() as via:
        host = f"{NAME}:{server.address.rpartition(':')[2]}"
        async with source(
            f"http://{via.address}", scheme=scheme, host=host, ca=material.ca.cert, exceptions=[".example.com"]
        ) as made:
            Outside.stand_in(made, monkeypatch)
            assert await read(made) == BODY
        assert via.asked == []


async def test_the_proxy_may_have_tls_of_its_own(material: Material, named_tls: ssl.SSLContext) -> None:
    async with (
        FaultServer(Reply(200, body=BODY), tls=named_tls) as server,
        ProxyServer({f"{NAME}:443": server.address}, tls=material.server_context()) as via,
        source(f"https://px:secret@{via.address}", scheme="https", ca=material.ca.cert) as made,
    ):
        assert await read(made) == BODY
        assert via.asked == [Passed("CONNECT", f"{NAME}:443", LOGIN)]


async def test_tokens_and_storage_are_asked_through_the_proxy() -> None:
    def registry(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply(200, body=b'{"token": "t"}')
        if not asked.header("Authorization"):
            return Reply(401, {"WWW-Authenticate": 'Bearer realm="http://auth.example.com/token"'})
        return Reply(307, {"Location": "http://storage.example.net:9000/x"})

    async with FaultServer(registry) as server, FaultServer(Reply(200, body=BODY)) as storage:
        places = {f"{NAME}:80": server.address, "auth.example.com:80": server.address}
        async with (
            ProxyServer({**places, "storage.example.net:9000": storage.address}) as via,
            source(f"http://px:secret@{via.address}", user="u", password="p") as made,
        ):
            assert await read(made) == BODY
        assert [(passed.target.split("/")[2], passed.login) for passed in via.asked] == [
            (NAME, LOGIN),
            ("auth.example.com", LOGIN),
            (NAME, LOGIN),
            ("storage.example.net:9000", LOGIN),
        ]
        assert storage.asked[0].header("Authorization") == ""


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0.0.0.0",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
    ],
)
async def test_a_redirect_does_not_reach_the_proxys_own_machine(target: str) -> None:
    async with FaultServer(Reply(200)) as victim:
        port = victim.address.rpartition(":")[2]
        async with (
            FaultServer(Reply(302, {"Location": f"http://{target}:{port}/latest/meta-data"})) as server,
            ProxyServer({f"{NAME}:80": server.address, f"{target.strip('[]')}:{port}": victim.address}) as via,
            source(f"http://{via.address}") as made,
        ):
            error = await failure(made)
            assert len(via.asked) == 1
        assert error.reason in (Reason.UPSTREAM_ERROR, Reason.UNREACHABLE)
        assert victim.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_refuses_the_credentials_is_named(scheme: str) -> None:
    async with (
        ProxyServer(status=407) as via,
        source(f"http://px:secret@{via.address}", scheme=scheme) as made,
    ):
        error = await failure(made)
        assert (error.reason, error.host, error.status) == (Reason.UNREACHABLE, NAME, 0)
        assert error.message.startswith(f"{NAME} is behind a proxy, and {via.address} answered 407; ")
        assert "user and password" in error.message
        assert "secret" not in error.message


@pytest.mark.parametrize(("status", "word"), [(403, "lets nobody through"), (502, "reaches"), (504, "reaches")])
async def test_a_proxy_that_opens_no_tunnel_is_named(status: int, word: str) -> None:
    async with ProxyServer(status=status) as via, source(f"http://{via.address}", scheme="https") as made:
        error = await failure(made)
        assert error.reason is Reason.UNREACHABLE
        assert f"{via.address} answered {status}; " in error.message
        assert word in error.message


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("place", "word"), [("127.0.0.1", "connection refused"), ("proxy.invalid", "no usable address")]
)
async def test_a_proxy_that_cannot_be_reached_is_named(scheme: str, place: str, word: str) -> None:
    address = f"{place}:{free_port()}"
    async with source(f"http://px:secret@{address}", scheme=scheme) as made:
        error = await failure(made)
    assert error.reason is Reason.UNREACHABLE
    assert error.message.startswith(f"{NAME} is behind a proxy, and {address} ")
    assert word in error.message


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_silence_behind_a_proxy_names_both(scheme: str) -> None:
    async with (
        ProxyServer(silent=True) as via,
        source(f"http://{via.address}", scheme=scheme, deadlines=QUICK) as made,
    ):
        error = await failure(made)
        assert (error.reason, error.late) == (Reason.UNREACHABLE, True)
        assert f"{NAME} (through the proxy {via.address}) did not answer within" in error.message


async def test_a_proxy_that_is_not_trusted_is_named(material: Material) -> None:
    async with (
        ProxyServer(tls=material.server_context()) as via,
        source(f"https://{via.address}", scheme="https") as made,
    ):
        error = await failure(made)
        assert error.reason is Reason.TLS_FAILED
        assert f"and {via.address}: its certificate authority is not trusted" in error.message


async def test_a_registry_that_is_not_trusted_is_named_and_not_the_proxy(named_tls: ssl.SSLContext) -> None:
    async with (
        FaultServer(Reply(), tls=named_tls) as server,
        ProxyServer({f"{NAME}:443": server.address}) as via,
        source(f"http://{via.address}", scheme="https") as made,
    ):
        error = await failure(made)
        assert error.reason is Reason.TLS_FAILED
        assert error.message.startswith(f"{NAME} (through the proxy {via.address}): its certificate authority")


async def test_a_407_of_the_registry_itself_is_not_the_proxys(material: Material, named_tls: ssl.SSLContext) -> None:
    async with (
        FaultServer(Reply(407), tls=named_tls) as server,
        ProxyServer({f"{NAME}:443": server.address}) as via,
        source(f"http://{via.address}", scheme="https", ca=material.ca.cert) as made,
    ):
        error = await failure(made)
        assert (error.reason, error.status) == (Reason.UPSTREAM_ERROR, 407)
