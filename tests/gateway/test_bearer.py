"""Bearer upstreams: tokens are asked for where they may be, with the right scope, and once."""

from __future__ import annotations

import asyncio

import pytest

from registry_gateway.config import Upstream
from registry_gateway.sources.base import Reason
from registry_gateway.sources.upstream import UpstreamSource
from tests.gateway.material import Material
from tests.gateway.serving import PATIENT, QUICK
from tests.gateway.token_registry import CREDENTIALS, TOKEN, Registry, failure, fetch
from tests.support.fault_server import Asked, FaultServer, Reply


async def test_a_token_is_asked_for_with_the_upstreams_own_name_as_scope() -> None:
    registry = Registry()
    async with registry.source() as made:
        await fetch(made, "modules/x")
    assert registry.tokens[0].query == "service=s&scope=repository:deckhouse/ee/modules/x:pull"
    assert registry.tokens[0].header("Authorization") == CREDENTIALS


async def test_one_token_serves_many_requests_of_a_repository() -> None:
    registry = Registry()
    async with registry.source() as made:
        await fetch(made)
        await asyncio.gather(*(fetch(made) for _ in range(20)))
    assert len(registry.tokens) == 1


async def test_once_the_scheme_is_known_other_repositories_begin_with_a_token() -> None:
    registry = Registry()
    async with registry.source() as made:
        await fetch(made, "a")
        await fetch(made, "b")
    assert [asked.path for asked in registry.server.asked] == [
        "/v2/deckhouse/ee/a/manifests/v1",
        "/token",
        "/v2/deckhouse/ee/a/manifests/v1",
        "/token",
        "/v2/deckhouse/ee/b/manifests/v1",
    ]


async def test_a_token_that_was_revoked_is_renewed_in_the_same_request() -> None:
    registry = Registry()
    async with registry.source() as made:
        await fetch(made)
        registry.valid, registry.answer = {"token-2"}, Reply(200, body=b'{"access_token": "token-2"}')
        await fetch(made)
    assert len(registry.tokens) == 2


async def test_a_401_loop_ends_after_one_renewal() -> None:
    registry = Registry()
    registry.valid = set()
    async with registry.source() as made:
        error = await failure(made)
    assert error.reason is Reason.UNAUTHORIZED
    assert [asked.path for asked in registry.server.asked] == [
        "/v2/deckhouse/ee/manifests/v1",
        "/token",
        "/v2/deckhouse/ee/manifests/v1",
    ]


async def test_the_scope_of_the_challenge_counts_if_it_differs() -> None:
    registry = Registry()
    registry.extra = ',scope="repository:real/name:pull"'
    async with registry.source() as made:
        await fetch(made)
    assert registry.tokens[0].query == "service=s&scope=repository:real/name:pull"


async def test_an_anonymous_upstream_gets_its_token_without_credentials() -> None:
    registry = Registry()
    async with registry.source(user="", password="") as made:
        await fetch(made)
    assert registry.tokens[0].header("Authorization") == ""


@pytest.mark.parametrize(
    "realm",
    [
        "http://localhost:{port}/token",
        "http://evil.example.com/token",
        "ftp://127.0.0.1/token",
        "/token",
        "http://[x/",
        "",
    ],
)
async def test_credentials_are_not_given_to_a_foreign_realm(realm: str) -> None:
    registry = Registry()
    async with FaultServer(TOKEN) as foreign, registry.source() as made:
        registry.realm = realm.format(port=foreign.address.rpartition(":")[2]) or "not an address"
        error = await failure(made)
        assert foreign.asked == []
    assert error.reason is Reason.UNAUTHORIZED
    assert registry.tokens == []


@pytest.mark.parametrize(("listed", "given"), [("localhost", True), ("localhost:{port}", True), ("localhost:1", False)])
async def test_a_foreign_realm_that_is_listed_gets_the_credentials(listed: str, given: bool) -> None:
    registry = Registry()
    async with FaultServer(TOKEN) as foreign:
        port = foreign.address.rpartition(":")[2]
        registry.realm = f"http://localhost:{port}/token"
        async with registry.source(realms=[listed.format(port=port)]) as made:
            if given:
                await fetch(made)
            else:
                error = await failure(made)
                assert f"localhost:{port}" in error.message
                assert "`realms`" in error.message
        assert [asked.header("Authorization") for asked in foreign.asked] == [CREDENTIALS] * given


async def test_a_foreign_realm_beside_basic_is_passed_over() -> None:
    def behaviour(asked: Asked) -> Reply:
        if asked.header("Authorization") == CREDENTIALS:
            return Reply(200, body=b"{}")
        return Reply(401, {"WWW-Authenticate": 'Bearer realm="https://evil.example.com/t", Basic realm="x"'})

    async with FaultServer(behaviour) as server:
        made = UpstreamSource(Upstream("id", "http", server.address, "p", "u", "p"), deadlines=PATIENT)
        await fetch(made)
        await made.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Reply(401), Reason.UNAUTHORIZED),
        (Reply(403), Reason.FORBIDDEN),
        (Reply(404), Reason.UPSTREAM_ERROR),
        (Reply(500), Reason.UPSTREAM_ERROR),
        (Reply(302), Reason.UPSTREAM_ERROR),
        (Reply(200, body=b"garbage"), Reason.UPSTREAM_ERROR),
        (Reply(200, body=b"[]"), Reason.UPSTREAM_ERROR),
        (Reply(200, body=b'{"token": ""}'), Reason.UPSTREAM_ERROR),
        (Reply(200, body=b'{"token": "a\\r\\nX: y"}'), Reason.UPSTREAM_ERROR),
        (Reply(200, body=b"x" * 1_000_000), Reason.UPSTREAM_ERROR),
        (Reply(200, body=b'{"token": "token-1"}', stop_at=5), Reason.UNREACHABLE),
        (Reply(silent=True), Reason.UNREACHABLE),
    ],
)
async def test_a_token_server_that_fails_is_named(answer: Reply, reason: Reason) -> None:
    registry = Registry()
    registry.answer = answer
    async with registry.source(deadlines=QUICK if answer.silent else PATIENT) as made:
        error = await failure(made)
        assert error.reason is reason
        assert registry.server.address in error.message


async def test_a_token_server_that_redirects_does_not_take_the_credentials_along() -> None:
    registry = Registry()
    async with FaultServer(TOKEN) as foreign, registry.source() as made:
        registry.answer = Reply(302, {"Location": f"http://{foreign.address}/"})
        await fetch(made)
        assert [asked.header("Authorization") for asked in foreign.asked] == [""]


@pytest.mark.parametrize("lifetime", ["0", "-5", '"soon"', "true", "null", "1e400", "NaN"])
async def test_an_odd_lifetime_does_not_matter(lifetime: str) -> None:
    registry = Registry()
    registry.answer = Reply(200, body=b'{"token": "token-1", "expires_in": ' + lifetime.encode() + b"}")
    async with registry.source() as made:
        await fetch(made)
        await fetch(made)


async def test_refused_credentials_are_not_tried_again_at_once() -> None:
    registry = Registry()
    registry.answer = Reply(401)
    async with registry.source() as made:
        for _ in range(5):
            assert (await failure(made)).reason is Reason.UNAUTHORIZED
    assert len(registry.tokens) == 1


async def test_a_probe_takes_a_token_for_the_base(material: Material) -> None:
    registry = Registry()
    async with registry.source() as made:
        await made.probe()
    assert registry.tokens[0].query == "service=s&scope=repository:deckhouse/ee:pull"
