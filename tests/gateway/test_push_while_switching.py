"""Pushing into a copy while the registry before it still answers pulls: what clients find there they must not skip."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from registry_gateway.config_store import Peer
from registry_gateway.sources.peer import PeerSource
from registry_gateway.store.stamps import UNDATED
from tests.gateway.listening import until
from tests.gateway.material import Material
from tests.gateway.pushing import REPOSITORY, Pushing, pushing
from tests.gateway.store import Store as Registry
from tests.gateway.stores import stored
from tests.store import site as build
from tests.store.site import INDEX, MANIFEST, NAME, digest
from tests.support.fault_server import FaultServer, Reply
from tests.support.gateway import free_port, upstream

SETTINGS, CONTENT = build.config("v1"), b"layer" * 1000
IMAGE = build.manifest(SETTINGS, [CONTENT])
PLATFORMS, OLD = build.index(IMAGE), build.manifest(build.config("old"), [CONTENT])


def offer(registry: Registry, tag: str = "v1", *, body: bytes = IMAGE) -> None:
    """Have an image in the registry from before."""
    headers = {"Content-Type": MANIFEST, "Docker-Content-Digest": digest(body)}
    for reference in (tag, digest(body)):
        registry.replies[f"manifests/{reference}"] = Reply(200, headers, body)
    for blob in (SETTINGS, CONTENT):
        registry.blob(blob)


def route(registry: Registry) -> dict[str, str]:
    return upstream(registry.server.address, scheme="http")


async def push_what_lacks(push: Pushing, reference: str) -> None:
    """Push IMAGE as crane, skopeo and oras do: nothing if the manifest is there, and no blob that is there."""
    there = await push.ask("HEAD", f"{REPOSITORY}/manifests/{reference}")
    if there.status == 200 and there.headers["Docker-Content-Digest"] == digest(IMAGE):
        return
    assert there.status in (200, 404), "a client gives up"
    for blob in (SETTINGS, CONTENT):
        known = await push.ask("HEAD", f"{REPOSITORY}/blobs/{digest(blob)}")
        assert known.status in (200, 404), "a client gives up"
        if known.status == 404:
            await push.blob(blob)
    assert (await push.manifest(IMAGE, reference)).status == 201


async def push_all(push: Pushing, tag: str) -> None:
    for blob in (SETTINGS, CONTENT):
        await push.blob(blob)
    assert (await push.manifest(IMAGE, tag)).status == 201


async def lacking(push: Pushing, reference: str) -> list[str]:
    return await push.store.contents.missing(NAME, reference)


async def test_an_image_of_the_registry_before_is_pushed_all_the_same(material: Material, folder: Path) -> None:
    registry = Registry()
    offer(registry)
    async with registry.server, pushing(material, folder, routes=[route(registry)]) as push:
        await push_what_lacks(push, "v1")
        assert await lacking(push, "v1") == []
        assert (await push.ask("HEAD", f"{REPOSITORY}/manifests/v1")).headers["Docker-Content-Digest"] == digest(IMAGE)
        assert registry.server.asked == [], "it has no say in what is pushed"


async def test_pulls_are_answered_by_the_registry_before_until_then(material: Material, folder: Path) -> None:
    registry = Registry()
    offer(registry)
    async with registry.server, pushing(material, folder, routes=[route(registry)]) as push:
        for path in (f"manifests/{digest(IMAGE)}", f"blobs/{digest(CONTENT)}"):
            assert (await push.ask("HEAD", f"{REPOSITORY}/{path}", user="ro")).status == 200
            assert (await push.ask("HEAD", f"{REPOSITORY}/{path}")).status == 404
            assert (await push.ask("GET", f"{REPOSITORY}/{path}")).status == 200


async def test_layers_that_only_the_registry_before_has_are_pushed(material: Material, folder: Path) -> None:
    registry = Registry()
    offer(registry, body=OLD)
    async with registry.server, pushing(material, folder, routes=[route(registry)]) as push:
        await push_what_lacks(push, "v2")
        assert await lacking(push, "v2") == []


async def test_a_registry_before_that_is_down_keeps_nobody_from_pushing(material: Material, folder: Path) -> None:
    dead = upstream(f"127.0.0.1:{free_port()}", scheme="http")
    async with pushing(material, folder, routes=[dead]) as push:
        assert (await push.ask("HEAD", f"{REPOSITORY}/manifests/v1", user="ro")).status == 503
        await push_what_lacks(push, "v1")
        assert await lacking(push, "v1") == []


@pytest.mark.parametrize("reference", ["v1", digest(IMAGE)])
async def test_a_manifest_that_a_pull_left_without_its_layers_is_pushed_with_them(
    material: Material, folder: Path, reference: str
) -> None:
    async with pushing(material, folder) as push:
        await push.store.changes.put_manifest(NAME, IMAGE, MANIFEST, tag="v1", complete=False)
        assert (await push.ask("HEAD", f"{REPOSITORY}/manifests/{reference}", user="ro")).status == 200
        await push_what_lacks(push, reference)
        assert await lacking(push, reference) == []


async def test_an_index_counts_when_its_images_are_whole(material: Material, folder: Path) -> None:
    async with pushing(material, folder) as push:
        await push.store.changes.put_manifest(NAME, IMAGE, MANIFEST, complete=False)
        await push.store.changes.put_manifest(NAME, PLATFORMS, INDEX, tag="v1", complete=False)
        assert (await push.ask("HEAD", f"{REPOSITORY}/manifests/v1")).status == 404
        await push_what_lacks(push, digest(IMAGE))
        assert (await push.ask("HEAD", f"{REPOSITORY}/manifests/v1")).status == 200


async def test_layers_of_other_replicas_count_and_their_manifests_do_not(material: Material, folder: Path) -> None:
    server = FaultServer(Reply(200, {"Docker-Content-Digest": digest(IMAGE)}), tls=material.server_context())
    async with server:
        peer = Peer("master-1", server.address)
        source = PeerSource(peer, own="x", alias="system/deckhouse", context=material.client_context())
        async with pushing(material, folder, peers=[source]) as push:
            assert (await push.ask("HEAD", f"{REPOSITORY}/blobs/{digest(CONTENT)}")).status == 200
            assert (await push.ask("HEAD", f"{REPOSITORY}/manifests/v1")).status == 404
        await source.close()
    assert [one.path for one in server.asked] == [f"{REPOSITORY}/blobs/{digest(CONTENT)}"]


async def test_a_push_holds_though_a_pull_of_its_tag_ends_later(material: Material, folder: Path) -> None:
    registry, gate = Registry(), asyncio.Event()
    registry.replies["manifests/stable"] = Reply(200, {"Content-Type": MANIFEST}, OLD, hold=gate)
    async with registry.server, pushing(material, folder, routes=[route(registry)]) as push:
        pull = asyncio.create_task(push.ask("GET", f"{REPOSITORY}/manifests/stable", user="ro"))
        await until(lambda: registry.asked("GET"))
        await push_all(push, "stable")
        gate.set()
        assert (await pull).body == OLD
        assert (await push.store.contents.tag(NAME, "stable"))[0] == digest(IMAGE)


async def test_a_push_at_another_replica_holds_whenever_it_is_heard_of(material: Material, folder: Path) -> None:
    registry = Registry()
    offer(registry, "stable")
    async with (
        registry.server,
        pushing(material, folder, routes=[route(registry)]) as push,
        stored() as elsewhere,
    ):
        pushed = await elsewhere.push_image(b"pushed", tag="stable")
        theirs = await elsewhere.store.shared.names(NAME)
        assert (await push.ask("GET", f"{REPOSITORY}/manifests/stable", user="ro")).body == IMAGE
        [tag] = await push.store.shared.current(NAME, ["stable"])
        assert (tag.value, tag.stamp) == (digest(IMAGE), UNDATED), "a pull is no push"
        ours = await push.store.shared.names(NAME)
        body = (await elsewhere.store.contents.manifest(NAME, pushed)).content
        for one in [one for one in theirs if not one.is_tag]:
            await push.store.shared.put_manifest(NAME, body, one, complete=False)
        await push.store.shared.merge(NAME, theirs)
        await elsewhere.store.shared.merge(NAME, ours)
        assert (await push.store.contents.tag(NAME, "stable"))[0] == pushed
        assert (await elsewhere.store.contents.tag(NAME, "stable"))[0] == pushed


async def test_a_tag_that_was_deleted_stays_so_when_it_is_pulled(material: Material, folder: Path) -> None:
    registry = Registry()
    offer(registry, "stable")
    async with registry.server, pushing(material, folder, routes=[route(registry)]) as push:
        await push_all(push, "stable")
        await push.ask("DELETE", f"{REPOSITORY}/manifests/stable")
        assert (await push.ask("GET", f"{REPOSITORY}/manifests/stable", user="ro")).status == 200
        assert await push.store.contents.tags(NAME) == []


async def test_a_tag_whose_manifest_was_lost_still_names_what_was_pushed(material: Material, folder: Path) -> None:
    registry = Registry()
    offer(registry, "stable", body=OLD)
    async with registry.server, pushing(material, folder, routes=[route(registry)]) as push:
        await push_all(push, "stable")
        (push.folder / "blobs" / digest(IMAGE).replace(":", "/")).unlink()
        assert (await push.ask("GET", f"{REPOSITORY}/manifests/stable", user="ro")).body == OLD
        assert (await push.store.contents.tag(NAME, "stable"))[0] == digest(IMAGE)
