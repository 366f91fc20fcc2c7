"""Who may push, and to which names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.gateway.material import Material
from tests.gateway.pushing import REPOSITORY, UPLOADS, Pushing, pushing
from tests.gateway.serving import serving
from tests.store import site as build
from tests.store.site import NAME, digest

DIGEST = digest(b"blob")
WRITES = [
    ("POST", UPLOADS),
    ("GET", UPLOADS + "0" * 32),
    ("PATCH", UPLOADS + "0" * 32),
    ("PUT", f"{UPLOADS}{'0' * 32}?digest={DIGEST}"),
    ("DELETE", UPLOADS + "0" * 32),
    ("PUT", f"{REPOSITORY}/manifests/v1"),
    ("DELETE", f"{REPOSITORY}/manifests/v1"),
    ("DELETE", f"{REPOSITORY}/manifests/{DIGEST}"),
    ("DELETE", f"{REPOSITORY}/blobs/{DIGEST}"),
]


@pytest.fixture
async def push(material: Material, folder: Path) -> AsyncIterator[Pushing]:
    async with pushing(material, folder) as served:
        yield served


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_who_may_pull_only_is_told_who_may_push(push: Pushing, method: str, path: str) -> None:
    refused = await push.ask(method, path, user="ro", data=b"blob" if method != "GET" else None)
    assert (refused.status, refused.code) == (403, "DENIED")
    assert "user:ro" in refused.message
    assert "d8-system/registry-user-rw" in refused.message
    assert (push.leftovers(), await push.store.contents.repositories()) == ([], [])


async def test_a_node_may_pull_only(push: Pushing, material: Material) -> None:
    connector = aiohttp.TCPConnector(ssl=material.client_context(material.node))
    async with (
        aiohttp.ClientSession(f"https://127.0.0.1:{push.port}", connector=connector) as node,
        node.post(UPLOADS) as refused,
    ):
        assert refused.status == 403
        assert "node:worker-1" in await refused.text()


async def test_without_a_login_nothing_is_said_of_uploads(push: Pushing) -> None:
    async with push.client.post(UPLOADS) as refused:
        assert refused.status == 401


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("name", ["other", "system", "system/deckhouses", "library/system/deckhouse"])
async def test_names_outside_of_the_alias_are_refused(push: Pushing, method: str, path: str, name: str) -> None:
    refused = await push.ask(method, path.replace(NAME, name))
    assert (refused.status, refused.code) == (404, "NAME_UNKNOWN")
    assert "system/deckhouse" in refused.message
    assert await push.store.contents.repositories() == []


@pytest.mark.parametrize("name", ["system/deckhouse/UPPER", "system/deckhouse/..", "system/deckhouse//x", "-x"])
async def test_malformed_names_are_refused(push: Pushing, name: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", push.port, ssl=push.material.client_context())
    login = aiohttp.encode_basic_auth("rw", "rw-password")
    head = f"POST /v2/{name}/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\nContent-Length: 0\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.readuntil(b"}")
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"NAME_INVALID" in answer
    writer.close()


@pytest.mark.parametrize(("method", "path"), [*WRITES, ("GET", "/v2/_catalog")])
async def test_where_nothing_can_be_pushed_nothing_has_changed(material: Material, method: str, path: str) -> None:
    async with (
        serving(material, []) as served,
        served.client.request(method, served.url + path) as refused,
    ):
        assert refused.status == (404 if path == "/v2/_catalog" else 405)
        assert (await refused.json())["errors"][0]["code"] == "UNSUPPORTED"


async def test_without_a_store_that_can_be_used_clients_are_told_to_come_back(push: Pushing) -> None:
    location, opened = await push.begin(), push.keeper.opened
    push.keeper.opened, push.keeper.error = None, "the index is damaged"
    for method, path in (("POST", UPLOADS), ("PUT", f"{REPOSITORY}/manifests/v1"), ("GET", "/v2/_catalog")):
        refused = await push.ask(method, path)
        assert (refused.status, refused.code) == (503, "UNAVAILABLE")
        assert "the index is damaged" in refused.message
        assert refused.headers["Retry-After"]
    push.keeper.opened = opened
    assert (await push.finish(location, digest(b"blob"), b"blob")).status == 201


async def test_an_encoded_body_is_refused(push: Pushing) -> None:
    body = build.config("v1")
    refused = await push.ask("PATCH", await push.begin(), data=body, headers={"Content-Encoding": "gzip"})
    assert (refused.status, refused.code) == (415, "UNSUPPORTED")
