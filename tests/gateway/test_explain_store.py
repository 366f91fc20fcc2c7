"""`explain` in modes with a store: it tells what gateways would answer, and changes nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from registry_gateway.sources.peer import by_preference
from tests.gateway.at_terminal import Terminal
from tests.gateway.caching import Cache, caching, image
from tests.gateway.masters import NAMES, masters
from tests.gateway.material import Material
from tests.gateway.processes import USERS
from tests.gateway.pushing import REPOSITORY, configuration, pushing
from tests.gateway.store import Store as Registry
from tests.gateway.stores import stored
from tests.store.site import digest as digest_of
from tests.support.fault_server import Reply
from tests.support.gateway import config, upstream

LAYER = b"layer" * 1000


class Person:
    """Somebody at a terminal of a replica whose gateway is `cache`."""

    def __init__(self, terminal: Terminal, material: Material, cache: Cache, *, role: str = "cache") -> None:
        route = upstream(cache.registry.server.address, scheme="http")
        terminal.configure(material.files(config([route], users=USERS, store={"role": role})))
        self.terminal, self.cache, self.host = terminal, cache, cache.registry.server.address

    async def explain(self, image: str) -> Any:
        return await self.terminal.json("explain", image, "--data", str(self.cache.folder))

    async def same(self, reference: str) -> tuple[list[str], str, bool]:
        """The order of asking, whose answer clients get, and whether the tag is asked for again; clients of the gateway
        get just that.
        """
        found = await self.explain(reference)
        async with self.cache.get(f"/manifests/{reference}") as answer:
            body = await answer.json(content_type=None)
            if error := found["clientError"]:
                assert (error["status"], error["message"]) == (answer.status, body["errors"][0]["message"])
                return kinds(found), "", found["store"]["asksAgain"]
            chosen = next(one for one in found["sources"] if one["chosen"])
            assert answer.headers["Docker-Content-Digest"] == chosen["digest"]
        return kinds(found), chosen["kind"], found["store"]["asksAgain"]


def kinds(found: Any) -> list[str]:
    return [one["kind"] for one in found["sources"]]


def origins(found: Any) -> list[tuple[str, str]]:
    return [(part["role"], part["source"]) for part in found["parts"]]


def uses(folder: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "index.sqlite") as connection:
        return connection.execute("SELECT digest, used, present FROM content ORDER BY digest").fetchall()


async def test_a_cache_is_explained_as_it_answers_whatever_became_of_the_tag(
    terminal: Terminal, material: Material
) -> None:
    async with caching(material) as cache:
        person, registry = Person(terminal, material, cache), cache.registry
        first, manifest = image(registry, LAYER, tag="v1")
        found = await person.explain("v1")
        assert terminal.code == 0
        assert uses(cache.folder) == [], "it fetched"
        assert found["store"] == {"role": "cache", "error": "", "digest": "", "age": None, "asksAgain": True}
        assert found["complete"] is True
        assert origins(found) == [("manifest", person.host), ("config", person.host), ("layer", person.host)]
        cold, warm = ["registry", "store"], ["store", "registry"]
        assert await person.same("v1") == (cold, "registry", True)
        assert await person.same("v1") == (warm, "store", False)

        assert (await cache.read(f"/blobs/{manifest['layers'][0]['digest']}"))[1] == LAYER
        found = await person.explain("v1")
        assert origins(found) == [("manifest", "store"), ("config", person.host), ("layer", "store")]
        assert 0 <= found["store"]["age"] <= 60
        assert found["store"]["digest"] == first

        cache.make_old()
        text = await terminal.run("explain", "v1", "--data", str(cache.folder))
        assert f"the tag is {first}, as of 36" in text
        assert "registries are asked what the tag is" in text
        assert "may push    nobody: read-only: push to the registry behind this address" in text
        assert await person.same("v1") == (cold, "store", True), "it is what the store has"
        image(registry, b"moved", tag="v1")
        cache.make_old()
        assert await person.same("v1") == (cold, "registry", True)

        for status, chosen in ((404, ""), (500, "store")):
            image(registry, b"moved", tag="v2")
            assert (await cache.read("/manifests/v2"))[0] == 200
            cache.make_old()
            registry.replies["manifests/v2"] = Reply(status)
            assert await person.same("v2") == (cold, chosen, True)
            registry.replies.clear()


async def test_explaining_counts_as_no_use_and_repairs_nothing(terminal: Terminal, material: Material) -> None:
    async with caching(material) as cache:
        person = Person(terminal, material, cache)
        digest, manifest = image(cache.registry, LAYER, tag="v1")
        layer = manifest["layers"][0]["digest"]
        for path in (f"/manifests/{digest}", f"/blobs/{layer}"):
            assert (await cache.read(path))[0] == 200
        with sqlite3.connect(cache.folder / "index.sqlite") as connection:
            connection.execute("UPDATE content SET used = 1")
        cache.file(digest).chmod(0o600)
        cache.file(digest).write_bytes(b"damaged")
        before = uses(cache.folder)
        found = await person.explain(digest)
        assert [(one["kind"], one["answered"], one["chosen"]) for one in found["sources"]] == [
            ("store", False, False),
            ("registry", True, True),
        ]
        assert found["parts"][-1]["source"] == "store"
        assert uses(cache.folder) == before
        assert cache.file(digest).read_bytes() == b"damaged"


async def test_a_store_that_is_not_there_is_told_and_not_made(terminal: Terminal, material: Material) -> None:
    async with caching(material) as cache:
        person = Person(terminal, material, cache)
        image(cache.registry, tag="v1")
        nowhere = cache.folder.parent / f"{cache.folder.name}-nowhere"
        found = await terminal.json("explain", "v1", "--data", str(nowhere))
        assert f"{nowhere} is no directory" in found["store"]["error"]
        assert (terminal.code, kinds(found)) == (0, ["registry", "store"])
        assert not nowhere.exists()
        nowhere.mkdir()
        assert "no index" in (await terminal.json("explain", "v1", "--data", str(nowhere)))["store"]["error"]
        assert list(nowhere.iterdir()) == []
        nowhere.rmdir()
        assert person.host in terminal.said


async def test_a_spare_store_is_explained_behind_the_registries(terminal: Terminal, material: Material) -> None:
    async with caching(material) as cache:
        person = Person(terminal, material, cache, role="spare")
        digest, manifest = image(cache.registry, LAYER, tag="v1")
        for path in ("/manifests/v1", *(f"/blobs/{part['digest']}" for part in (manifest["config"],))):
            assert (await cache.read(path))[0] == 200
        del cache.registry.content[f"manifests/{digest}"], cache.registry.content["manifests/v1"]
        cache.become("spare")
        assert await person.same("v1") == (["registry", "store"], "store", False)
        assert origins(await person.explain("v1")) == [
            ("manifest", "store"), ("config", person.host), ("layer", person.host)
        ]  # fmt: skip
        assert await person.same("absent") == (["registry", "store"], "", False)


async def test_a_copy_says_what_is_missing_and_how_to_push(
    terminal: Terminal, material: Material, folder: Path
) -> None:
    async with stored() as site:
        whole = await site.push_image(LAYER, tag="v1")
        lost = await site.push_image(b"lost", tag="v2")
        terminal.configure(material.files(configuration()))
        options = ["--data", str(site.folder)]
        found = await terminal.json("explain", "v1", *options)
        assert (terminal.code, kinds(found), found["complete"]) == (0, ["store"], True)
        assert found["sources"][0]["digest"] == whole
        assert found["push"]["clients"] == ["user:rw"]
        text = await terminal.run("explain", lost, *options)
        assert "may push    user rw: pushing takes user rw; its password is in the Secret" in text
        assert "1. the store of this replica\n" in text
        assert text.endswith("\ncomplete\n")
        with sqlite3.connect(site.folder / "index.sqlite") as connection:
            connection.execute("UPDATE content SET present = 0 WHERE digest = ?", (digest_of(b"lost"),))
        found = await terminal.json("explain", "v2", *options)
        assert (terminal.code, found["complete"]) == (0, False)
        assert [(part["role"], part["reason"]) for part in found["parts"]] == [
            ("manifest", ""), ("config", ""), ("layer", "NotFound")
        ]  # fmt: skip
        assert (await terminal.run("explain", "v2", *options)).endswith("NOT complete\n")
    async with pushing(material, folder) as served:
        found = await terminal.json("explain", "absent", "--data", str(folder))
        told = await served.ask("GET", f"{REPOSITORY}/manifests/absent")
        assert (terminal.code, told.status, told.message) == (1, 404, found["clientError"]["message"])


async def test_what_a_copy_is_filled_from_is_asked_and_is_not_for_clients(
    terminal: Terminal, material: Material
) -> None:
    registry = Registry()
    async with stored() as site, registry.server:
        digest = registry.image(LAYER)["digest"]
        filling = upstream(registry.server.address, scheme="http")
        terminal.configure(material.files(configuration(fill=[filling])))
        found = await terminal.json("explain", digest, "--data", str(site.folder))
        facts = [(one["kind"], one["serves"], one["fills"], one["answered"]) for one in found["sources"]]
        assert facts == [("store", True, False, False), ("registry", False, True, True)]
        assert (terminal.code, found["clientError"]["status"], found["complete"]) == (1, 404, None)
        text = await terminal.run("explain", digest, "--data", str(site.folder))
        assert f"2. {registry.server.address}, anonymous, only copied from\n" in text


@pytest.mark.timeout(120)
async def test_replicas_are_asked_for_what_they_have_and_checked_and_the_owner_is_named(
    material: Material, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with masters(material, folder) as cluster:
        digest = cluster.registry.image(LAYER)["digest"]
        owner, own, other = by_preference(digest, NAMES)
        terminal = Terminal(cluster.running[own].secret.folder, capsys)
        options = ["--data", str(cluster.data / own), "--name", own, "--connect-seconds", "20"]
        found = await terminal.json("explain", digest, *options)
        assert [(one["kind"], one["id"]) for one in found["sources"]][:3] == [
            ("store", ""), ("peer", owner), ("peer", other)
        ]  # fmt: skip
        assert (found["owner"], found["sources"][3]["chosen"]) == (owner, True)
        assert not any(cluster.has(name, digest) for name in NAMES), "it made somebody fetch"

        assert (await cluster.pull(owner, f"/manifests/{digest}"))[0] == 200
        found = await terminal.json("explain", digest, *options)
        assert [one["chosen"] for one in found["sources"]] == [False, True, False, False]
        assert origins(found)[0] == ("manifest", f"peer:{owner}")
        text = await terminal.run("explain", digest, *options)
        assert f"owner       {owner} fetches it for all replicas\n" in text
        assert f"2. replica {owner}, {cluster.running[owner].address}, what its store has\n" in text

        found = await terminal.json("check", *options)
        assert [(one["name"], one["reachable"]) for one in found["peers"]] == [
            (name, True) for name in NAMES if name != own
        ]
        assert terminal.code == 0
        await asyncio.to_thread(cluster.kill, other)
        text = await terminal.run("check", *options)
        assert terminal.code == 1
        assert f"replica {other}, {cluster.running[other].address}: Unreachable: " in text
        await terminal.run("explain", digest, *options[:2], "--name", "")
        assert terminal.code == 2
        assert "peers: name this replica by --name" in terminal.said
