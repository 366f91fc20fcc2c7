"""`explain`: who would be asked for an image, as whom, and what each answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.gateway.at_terminal import Terminal
from tests.gateway.material import Material
from tests.gateway.serving import Served, serving
from tests.gateway.store import Store
from tests.support.fault_server import Asked, FaultServer, Reply
from tests.support.gateway import config, free_port, upstream

IMAGE = "registry.d8-system.svc:5001/system/deckhouse:v1"
MARK = "s3cr3t-marker"


def route(store: Store | FaultServer, **login: str) -> dict[str, str]:
    address = store.server.address if isinstance(store, Store) else store.address
    return upstream(address, scheme="http", **login)


@asynccontextmanager
async def stores(number: int) -> AsyncIterator[list[Store]]:
    async with AsyncExitStack() as stack:
        made = [Store() for _ in range(number)]
        for store in made:
            await stack.enter_async_context(store.server)
        yield made


async def test_every_registry_is_asked_and_the_first_that_answers_is_the_clients(
    terminal: Terminal, material: Material
) -> None:
    async with stores(3) as (newest, oldest, candidate):
        image = newest.image(tag="v1")
        oldest.image(b"another", tag="v1")
        dead = upstream(f"127.0.0.1:{free_port()}", scheme="http", user="reader", password=MARK)
        routes = [dead, route(newest), route(oldest)]
        check = {"version": "c", "upstream": route(candidate, path="new"), "images": []}
        terminal.configure(material.files(config(routes, check=check, users={"ro": MARK})))
        found = await terminal.json("explain", IMAGE)
        assert terminal.code == 0
        assert found["image"] == {
            "given": IMAGE,
            "host": "registry.d8-system.svc:5001",
            "repository": "system/deckhouse",
            "reference": "v1",
        }
        assert found["clients"] == ["node:*", "user:ro", "upstream:reader"]
        facts = [[one[key] for key in ("user", "serves", "answered", "chosen", "status", "reason")]
                 for one in found["sources"]]  # fmt: skip
        assert facts == [
            ["reader", True, False, False, 0, "Unreachable"],
            ["", True, True, True, 200, ""],
            ["", True, True, False, 200, ""],
            ["", False, False, False, 404, "NotFound"],
        ]
        assert found["sources"][1]["digest"] == image["digest"]
        assert (found["sources"][1]["size"], found["sources"][1]["mediaType"]) == (image["size"], image["mediaType"])
        assert [one["url"] for one in found["sources"]][1:] == [
            f"http://{newest.server.address}/v2/deckhouse/ee/manifests/v1",
            f"http://{oldest.server.address}/v2/deckhouse/ee/manifests/v1",
            f"http://{candidate.server.address}/v2/new/manifests/v1",
        ]
        assert [one.path for one in candidate.server.asked] == ["/v2/new/manifests/v1"]

        text = await terminal.run("explain", IMAGE)
        assert f"1. {dead['host']}, user reader\n" in text
        assert f"{image['digest']}, {image['mediaType']}, {image['size']} bytes, " in text
        assert text.count("<- clients get this") == 1
        assert ", anonymous, not for clients yet\n" in text
        assert "may ask     nodes by their certificate, user ro, the registry's own user reader, nobody without" in text
    assert MARK not in terminal.said


async def test_an_image_of_several_platforms_is_shown_down_to_the_layer_that_is_missing(
    terminal: Terminal, material: Material
) -> None:
    async with stores(1) as [store]:
        good, bad = store.image(b"good"), store.image(b"bad")
        platforms = [{**good, "platform": {"os": "linux", "architecture": "amd64"}},
                     {**bad, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}]  # fmt: skip
        index = store.index(*platforms)
        gone = next(path for path, (_, content) in store.content.items() if content == b"bad").removeprefix("blobs/")
        del store.content[f"blobs/{gone}"]
        terminal.configure(material.files(config([route(store)])))
        found = await terminal.json("explain", index["digest"])
        shape = [(one["depth"], one["role"], one["platform"], one["reason"]) for one in found["parts"]]
        assert shape == [
            (0, "manifest", "", ""),
            (1, "manifest", "linux/amd64", ""),
            (2, "config", "", ""),
            (2, "layer", "", ""),
            (1, "manifest", "linux/arm64/v8", ""),
            (2, "config", "", ""),
            (2, "layer", "", "NotFound"),
        ]
        assert found["parts"][-1]["reference"] == gone
        assert f"answered 404 for deckhouse/ee@{gone}; it is not there" in found["parts"][-1]["message"]
        text = await terminal.run("explain", index["digest"])
        assert f"    layer   {gone}" in text
        assert "linux/arm64/v8 present" in text


async def test_a_registry_with_tokens_is_shown_with_its_token_server_and_the_scope(
    terminal: Terminal, material: Material
) -> None:
    def behaviour(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply(200, body=json.dumps({"token": MARK}).encode())
        if asked.header("Authorization").startswith("Bearer"):
            return Reply(404)
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{server.address}/token",service="s"'})

    server = FaultServer(behaviour)
    async with server:
        terminal.configure(material.files(config([route(server, user="reader", password=MARK)])))
        [source] = (await terminal.json("explain", "system/deckhouse/x:v1"))["sources"]
        told = {key: source[key] for key in ("user", "login", "tokenServer", "scope")}
        scope = "repository:deckhouse/ee/x:pull"
        assert told == {"user": "reader", "login": "token", "tokenServer": server.address, "scope": scope}
        text = await terminal.run("explain", "system/deckhouse/x:v1")
        assert f"{server.address}, user reader, token of {server.address} for {scope}\n" in text
    assert MARK not in terminal.said


async def test_a_password_that_the_registry_takes_is_shown_as_one(terminal: Terminal, material: Material) -> None:
    def behaviour(asked: Asked) -> Reply:
        return Reply(404 if asked.header("Authorization") else 401, {"WWW-Authenticate": "Basic realm=x"})

    async with FaultServer(behaviour) as server:
        terminal.configure(material.files(config([route(server, user="reader", password=MARK)])))
        assert f"{server.address}, user reader, by password\n" in await terminal.run("explain", "v1")
    assert MARK not in terminal.said


async def test_content_that_is_of_no_use_is_told_although_clients_get_it(
    terminal: Terminal, material: Material
) -> None:
    async with stores(1) as [store]:
        digest = store.image()["digest"]
        store.content[f"manifests/{digest}"] = ("application/json", b"{}")
        terminal.configure(material.files(config([route(store)])))
        [source] = (await terminal.json("explain", digest))["sources"]
    assert (source["chosen"], source["status"], source["reason"]) == (True, 200, "UpstreamError")
    assert "other content than its digest says" in source["message"]


async def test_what_a_registry_says_cannot_steer_the_terminal(terminal: Terminal, material: Material) -> None:
    async with stores(1) as [store]:
        document = {"mediaType": "\x1b]0;x\x07", "config": store.blob(b"{}"), "layers": []}
        digest = store.manifest(document, "text/plain")["digest"]
        index = store.index({"digest": digest, "platform": {"os": "\x1b[2J", "architecture": "amd64"}})
        terminal.configure(material.files(config([route(store)])))
        assert "\x1b" not in await terminal.run("explain", index["digest"])
        assert terminal.code == 0


def answer(body: Any) -> str:
    return str(body["errors"][0]["message"])


@asynccontextmanager
async def api(terminal: Terminal, material: Material, routes: list[dict[str, str]]) -> AsyncIterator[Served]:
    """A gateway that serves what the terminal explains."""
    terminal.configure(material.files(config(routes, users={"ro": "ro-password"})))
    async with serving(material, routes) as served:
        yield served


@pytest.mark.parametrize(("status", "code"), [(404, 404), (401, 401), (429, 429), (500, 502)])
async def test_when_nobody_answers_it_says_what_clients_are_told(
    terminal: Terminal, material: Material, status: int, code: int
) -> None:
    async with FaultServer(Reply(status)) as server, api(terminal, material, [route(server)]) as served:
        found = await terminal.json("explain", "v1")
        assert (terminal.code, found["parts"]) == (1, [])
        async with served.get("/v2/system/deckhouse/manifests/v1") as told:
            assert (told.status, answer(await told.json())) == (code, found["clientError"]["message"])
        assert found["clientError"]["status"] == code
        assert f"clients get {code} " in await terminal.run("explain", "v1")


async def test_without_any_registry_it_says_what_clients_are_told(terminal: Terminal, material: Material) -> None:
    async with api(terminal, material, []) as served, served.get("/v2/system/deckhouse/manifests/v1") as told:
        found = await terminal.json("explain", "v1")
        assert terminal.code == 1
        assert (told.status, answer(await told.json())) == (503, found["clientError"]["message"])


@pytest.mark.parametrize(
    ("image", "path"),
    [
        ("registry.example.com/deckhouse/ee:v1", "/v2/deckhouse/ee/manifests/v1"),
        ("system/deckhouse/X:v1", "/v2/system/deckhouse/X/manifests/v1"),
        ("sha256:abc", "/v2/system/deckhouse/manifests/sha256:abc"),
    ],
)
async def test_a_name_that_is_refused_is_refused_with_the_clients_words_and_nobody_is_asked(
    terminal: Terminal, material: Material, image: str, path: str
) -> None:
    async with stores(1) as [store], api(terminal, material, [route(store)]) as served:
        found = await terminal.json("explain", image)
        assert (terminal.code, found["sources"]) == (2, [])
        async with served.get(path) as told:
            assert (told.status, answer(await told.json())) == (
                found["refused"]["status"], found["refused"]["message"]
            )  # fmt: skip
        assert found["refused"]["message"] in await terminal.run("explain", image)
        assert store.server.asked == []


async def test_a_configuration_that_is_of_no_use_is_named(terminal: Terminal, material: Material) -> None:
    terminal.configure(material.files("{}"))
    assert "schema: is missing" in (await terminal.json("explain", "v1"))["configError"]
    assert terminal.code == 2
    assert (await terminal.run("explain", "v1")).startswith("configuration: ")
