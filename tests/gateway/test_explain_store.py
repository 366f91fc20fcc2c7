"""`explain` in modes with a store: it tells what gateways would answer, and changes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from tests.gateway.at_terminal import Terminal
from tests.gateway.caching import caching, image
from tests.gateway.explaining import Person, kinds, origins
from tests.gateway.material import Material
from tests.support.fault_server import Reply

LAYER = b"layer" * 1000


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
