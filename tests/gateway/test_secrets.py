"""Upstreams that fail in ways that show secrets: a real gateway process must not repeat one, anywhere."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.gateway.material import Material
from tests.gateway.serving import LOGIN, USERS, until
from tests.support.fault_server import Asked, FaultServer, Reply
from tests.support.gateway import config, gateway, upstream
from tests.support.proxy import ProxyServer

MARK = "s3cr3t"  # in every secret of these tests
DIGEST = "sha256:" + "a" * 64
PATHS = ("/v2/system/deckhouse/manifests/v1", f"/v2/system/deckhouse/blobs/{DIGEST}", "/v2/system/deckhouse/tags/list")


def token_then(reply: Reply) -> FaultServer:
    """A registry that gives a token and answers with `reply` to whoever brings it."""

    def behaviour(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply(200, body=json.dumps({"token": f"{MARK}-token", "expires_in": 300}).encode())
        if asked.header("Authorization").startswith("Bearer"):
            return reply
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{server.address}/token",service="s"'})

    server = FaultServer(behaviour)
    return server


@pytest.mark.parametrize(
    "reply",
    [
        Reply(401, {"WWW-Authenticate": f'Bearer realm="https://evil.example.com/{MARK}"'}),
        Reply(403, body=f"{MARK} says no".encode()),
        Reply(307, {"Location": f"https://storage.invalid/x?signature={MARK}"}),
        Reply(307, {"Location": f"http://user:{MARK}@storage.invalid/"}),
        Reply(307, {"Location": f"http://[{MARK}"}),
        Reply(200, {"Content-Type": "application/json"}, b"x" * 100_000, stop_at=10_000, then="reset"),
        Reply(raw=f"HTTP/1.1 200 OK\r\n{MARK}\r\n\r\n".encode()),
        Reply(raw=f"{MARK}\r\n\r\n".encode()),
        Reply(500, {"X-Debug": MARK, "Warning": "199 - fine"}, MARK.encode()),
    ],
    ids=["loop", "forbidden", "signed", "userinfo", "malformed", "reset", "header", "garbage", "error"],
)
async def test_no_secret_of_a_failing_upstream_is_repeated(material: Material, folder: Path, reply: Reply) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(token_then(reply))
        route = upstream(server.address, scheme="http", user="reader", password=f"{MARK}-password")
        check = {"version": "c", "upstream": route, "images": [{"name": "deckhouse", "reference": "v1"}]}
        files = material.files(config([route], check=check, users=USERS))
        started = gateway(folder, files, workers=1)
        running = await asyncio.to_thread(started.__enter__)
        stack.push_async_callback(asyncio.to_thread, started.__exit__, None, None, None)
        connector = aiohttp.TCPConnector(ssl=material.client_context())
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, headers=LOGIN))
        told = [await everything(client, f"https://{running.address}{path}") for path in PATHS]
        told.append((await asyncio.to_thread(running.get, "/readyz"))[1])
        told.append((await asyncio.to_thread(running.get, "/metrics"))[1])
        told.append(running.log.read_text())
        assert '"message":"request"' in told[-1]
        assert any("Bearer" in asked.header("Authorization") for asked in server.asked)
    assert MARK not in "\n".join(told)


async def test_no_secret_of_a_proxy_is_repeated(material: Material, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(FaultServer(Reply(200, {"Content-Type": "application/json"}, b"{}")))
        good = await stack.enter_async_context(ProxyServer({"registry.example.com:80": server.address}))
        bad = await stack.enter_async_context(ProxyServer(status=407))
        document = json.loads(config([upstream("registry.example.com", scheme="http")], users=USERS))
        environment = {"HTTP_PROXY": f"http://reader:{MARK}-environment@{good.address}"}
        started = gateway(folder, material.files(json.dumps(document)), workers=1, environment=environment)
        running = await asyncio.to_thread(started.__enter__)
        stack.push_async_callback(asyncio.to_thread, started.__exit__, None, None, None)
        connector = aiohttp.TCPConnector(ssl=material.client_context())
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, headers=LOGIN))
        told = [await everything(client, f"https://{running.address}{PATHS[0]}")]
        assert told[0].endswith("{}")
        document.update(version="v2", proxy={"http": f"http://reader:{MARK}-section@{bad.address}"})
        running.secret.write(material.files(json.dumps(document)))
        await asyncio.to_thread(running.wait_for_version, "v2")
        told.append(await everything(client, f"https://{running.address}{PATHS[0]}"))
        assert f"{bad.address} answered 407" in told[1]
        document.update(version="v3", proxy={"http": f"http://reader:{MARK}@{bad.address}/path"})
        running.secret.write(material.files(json.dumps(document)))
        await until(lambda: "proxy.http: must be http://" in running.log.read_text(), seconds=60)
        told.append((await asyncio.to_thread(running.get, "/readyz"))[1])
        told.append((await asyncio.to_thread(running.get, "/metrics"))[1])
        told.append(running.log.read_text())
        logins = {passed.login for passed in good.asked + bad.asked}
        assert logins == {aiohttp.encode_basic_auth("reader", f"{MARK}-{word}") for word in ("environment", "section")}
    whole = "\n".join(told)
    assert not any(word in whole for word in (MARK, *logins))


async def everything(client: aiohttp.ClientSession, url: str) -> str:
    """Head and body of an answer, as far as there is one."""
    try:
        async with client.get(url) as answer:
            return f"{answer.headers} {(await answer.read()).decode()}"
    except aiohttp.ClientError as error:
        return type(error).__name__
