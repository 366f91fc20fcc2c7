"""Token servers that know only POST: asked so after GET, with the form of OAuth2, and never with a second login."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from registry_gateway.sources.base import Reason
from tests.gateway.token_registry import TOKEN, Registry, failure, fetch
from tests.support.fault_server import FaultServer, Reply


class PostOnly(Registry):
    """Answers GET for a token with `get`, POST with `post`."""

    def __init__(self, *, get: int = 405, post: Reply = TOKEN) -> None:
        super().__init__()
        self.get, self.post = Reply(get), post
        self.answer = lambda asked: self.post if asked.method == "POST" else self.get

    @property
    def methods(self) -> list[str]:
        return [asked.method for asked in self.tokens]


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_post_is_tried_where_get_is_unknown(status: int) -> None:
    registry = PostOnly(get=status)
    async with registry.source(user="u", password="p&w=ü %") as made:
        await fetch(made, "modules/x")
    assert registry.methods == ["GET", "POST"]
    asked = registry.tokens[1]
    assert (asked.header("Authorization"), asked.query) == ("", "")
    assert asked.header("Content-Type") == "application/x-www-form-urlencoded"
    assert parse_qs(asked.body.decode(), strict_parsing=True) == {
        "grant_type": ["password"],
        "service": ["s"],
        "scope": ["repository:deckhouse/ee/modules/x:pull"],
        "client_id": ["registry-gateway"],
        "username": ["u"],
        "password": ["p&w=ü %"],
    }


async def test_what_worked_is_remembered() -> None:
    registry = PostOnly()
    async with registry.source() as made:
        for rest in "abc":
            await fetch(made, rest)
    assert registry.methods == ["GET", "POST", "POST", "POST"]


async def test_every_request_for_a_token_is_counted() -> None:
    registry, results = PostOnly(), list[str]()
    async with registry.source(counted=results.append) as made:
        await fetch(made)
    assert results == ["405", "ok"]


async def test_another_realm_is_asked_by_get_again() -> None:
    registry = PostOnly()
    async with registry.source() as made:
        await fetch(made, "a")
        registry.realm = f"http://{registry.server.address}/token?account=other"
        registry.valid, registry.get = {"token-2"}, Reply(200, body=b'{"token": "token-2"}')
        await fetch(made, "b")
    assert registry.methods == ["GET", "POST", "POST", "GET"]


async def test_a_server_that_forgets_post_is_asked_by_get_again() -> None:
    registry = PostOnly()
    async with registry.source() as made:
        await fetch(made, "a")
        registry.get, registry.post = TOKEN, Reply(405)
        assert (await failure(made)).reason is Reason.UPSTREAM_ERROR
        await fetch(made, "b")
    assert registry.methods == ["GET", "POST", "POST", "GET"]


@pytest.mark.parametrize(("status", "reason"), [(401, Reason.UNAUTHORIZED), (403, Reason.FORBIDDEN)])
async def test_refused_credentials_are_not_sent_another_way(status: int, reason: Reason) -> None:
    registry = PostOnly(get=status)
    async with registry.source() as made:
        for _ in range(2):
            assert (await failure(made)).reason is reason
    assert registry.methods == ["GET"]


@pytest.mark.parametrize(("status", "reason"), [(401, Reason.UNAUTHORIZED), (403, Reason.FORBIDDEN)])
async def test_credentials_refused_by_post_are_refused(status: int, reason: Reason) -> None:
    registry = PostOnly(post=Reply(status))
    async with registry.source() as made:
        for _ in range(2):
            error = await failure(made)
            assert (error.reason, f"answered {status}" in error.message) == (reason, True)
    assert registry.methods == ["GET", "POST"]


@pytest.mark.parametrize("post", [Reply(404), Reply(405), Reply(500), Reply(200, body=b"garbage"), Reply(raw=b"x")])
async def test_where_neither_works_the_answer_to_get_is_told(post: Reply) -> None:
    registry = PostOnly(get=404, post=post)
    async with registry.source() as made:
        error = await failure(made)
    assert error.reason is Reason.UPSTREAM_ERROR
    assert error.message.startswith(f"{registry.server.address} answered 404 for a token")


async def test_without_credentials_there_is_nothing_to_post() -> None:
    registry = PostOnly()
    async with registry.source(user="", password="") as made:
        await failure(made)
    assert registry.methods == ["GET"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_form_with_credentials_does_not_follow_a_redirect(status: int) -> None:
    async with FaultServer(TOKEN) as foreign:
        registry = PostOnly(post=Reply(status, {"Location": f"http://{foreign.address}/token"}))
        async with registry.source() as made:
            await failure(made)
        assert foreign.asked == []
    assert registry.methods == ["GET", "POST"]
