"""`explain` in mode Local: what is missing, what a copy is filled from, what the other replicas have."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from registry_gateway.sources.peer import by_preference
from tests.gateway.at_terminal import Terminal
from tests.gateway.explaining import kinds, origins
from tests.gateway.masters import NAMES, masters
from tests.gateway.material import Material
from tests.gateway.pushing import REPOSITORY, configuration, pushing
from tests.gateway.store import Store as Registry
from tests.gateway.stores import stored
from tests.store.site import digest as digest_of
from tests.support.gateway import upstream

LAYER = b"layer" * 1000


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
