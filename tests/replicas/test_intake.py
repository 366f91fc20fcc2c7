"""What is brought from other replicas comes whole, and from whoever has it right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from registry_gateway.oci import OciError
from registry_gateway.replicas.intake import AT_A_TIME, AbsentError, Intake
from registry_gateway.replicas.peer import Peer
from registry_gateway.store.errors import BrokenError
from registry_gateway.store.fetches import Claim
from registry_gateway.store.stamps import UNDATED, Stamped
from tests.replicas.cluster import Cluster
from tests.replicas.node import Node, image
from tests.store import site as build
from tests.store.site import INDEX, MANIFEST, NAME, digest

ENORMOUS = 2**60  # bytes that no disk has


async def pulled(node: Node, body: bytes, media_type: str = MANIFEST, *, name: str = NAME) -> None:
    """Have a manifest at `node` as a pull through a cache leaves it: without what it consists of."""
    stamped = Stamped(digest(body), UNDATED, media_type)
    await node.store.shared.put_manifest(name, body, stamped, complete=False)


def damage(node: Node, body: bytes) -> None:
    """Have another content of the same length under the digest of `body`."""
    node.site.file(digest(body)).chmod(0o640)
    node.site.file(digest(body)).write_bytes(bytes([body[0] ^ 1]) + body[1:])


def peers(of: Node) -> Sequence[Peer]:
    return of.replicas._others.peers


async def test_a_manifest_that_was_only_pulled_before_is_taken_with_its_layers(folder: Path) -> None:
    async with Cluster(folder, ["a", "b"], keeps=False) as two:
        await pulled(two["b"], image("v1", b"layer")[0])
        pushed = await two["a"].push(b"layer", tag="v1")
        assert await two["b"].tag("v1") == pushed
        assert await two["b"].is_whole("v1")


async def test_an_index_whose_images_were_only_pulled_before_is_taken_with_their_layers(folder: Path) -> None:
    async with Cluster(folder, ["a", "b"], keeps=False) as two:
        child = image("1", b"layer")[0]
        body = build.index(child)
        await pulled(two["b"], child)
        await pulled(two["b"], body, INDEX)
        await two["a"].site.push_image(b"layer", label="1")
        pushed = await two["a"].put(body, INDEX)
        assert await two["b"].is_whole(pushed)


async def test_a_blob_that_one_replica_has_damaged_comes_from_the_next(folder: Path) -> None:
    async with Cluster(folder, ["a", "b", "c"], keeps=False) as three:
        for name in ("a", "b"):
            await three[name].site.push_blob(b"layer")
        damage(three["a"], b"layer")
        assert [peer.name for peer in peers(three["c"])] == ["a", "b"]
        await three["c"].replicas.find(NAME, [digest(b"layer")], manifests=False)
        assert await three["c"].site.read(digest(b"layer")) == b"layer"
        assert f"GET /v2/{NAME}/blobs/{digest(b'layer')}" in three["a"].asked
        assert not three["c"].site.leftovers()


async def test_a_blob_that_is_damaged_everywhere_is_as_one_that_nobody_has(folder: Path) -> None:
    async with Cluster(folder, ["a", "b"], keeps=False) as two:
        await two["a"].site.push_blob(b"layer")
        damage(two["a"], b"layer")
        intake = Intake(two["b"].store, asyncio.Semaphore(AT_A_TIME))
        with pytest.raises(AbsentError):
            await intake.blob(NAME, digest(b"layer"), peers(two["b"]))


async def test_what_is_damaged_at_the_others_does_not_keep_the_rest_from_being_healed(folder: Path) -> None:
    async with Cluster(folder, ["a", "b"], keeps=False) as two:
        layers = [b"layer %d" % number for number in range(4)]
        body, settings = image("1", *layers)
        await two["a"].site.push_image(*layers, label="1")
        await pulled(two["b"], body)
        damage(two["a"], min(layers, key=digest))
        await two["b"].keeper._sync.round()
        damaged = digest(min(layers, key=digest))
        assert await two["b"].store.contents.missing(NAME, digest(body)) == [damaged]
        assert await two["b"].site.has(digest(settings))
        assert two["b"].keeper.state.missing == 0, "nobody has it; scrub and check tell of such damage"


async def test_what_nobody_has_in_one_repository_may_come_from_another(folder: Path) -> None:
    async with Cluster(folder, ["a", "b"], keeps=False) as two:
        body = image("1", b"layer")[0]
        for name in ("first", "second"):
            await pulled(two["b"], body, name=name)
        await two["a"].site.push_image(b"layer", label="1", name="second")
        await two["b"].keeper._sync.round()
        assert await two["b"].is_whole(digest(body), name="second")
        assert two["b"].keeper.state.missing == 0


async def test_what_nobody_has_is_not_waited_for(folder: Path) -> None:
    async with Cluster(folder, ["a", "b"], keeps=False) as two:
        await pulled(two["b"], image("1", b"layer")[0])
        for _ in range(2):
            await two["b"].keeper._sync.round()
            assert two["b"].keeper.state.missing == 0
        await two.cut("a", "b")
        await two.sees("b")
        two["b"].keeper._sync.soon()  # who was asked has restarted, so it may have it now
        await two["b"].keeper._sync.round()
        assert two["b"].keeper.state.missing == 2, "config and layer"
    async with Cluster(folder, ["alone"], keeps=False) as one:
        await pulled(one["alone"], image("1", b"layer")[0])
        await one["alone"].keeper._sync.round()
        assert one["alone"].keeper.state.missing == 0


async def test_an_error_about_one_piece_of_content_does_not_keep_the_rest_from_being_healed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Cluster(folder, ["a", "b"], keeps=False) as two:
        broken, right = image("1", b"layer"), image("2", b"layer")
        for label in ("1", "2"):
            await two["a"].site.push_image(b"layer", label=label)
        for body, _ in (broken, right):
            await pulled(two["b"], body)
        claim = two["b"].store.fetches.claim

        async def refuse(name: str, wanted: str) -> Claim | None:
            if wanted == min(digest(broken[1]), digest(right[1])):
                raise BrokenError("the disk answered EIO")
            return await claim(name, wanted)

        monkeypatch.setattr(two["b"].store.fetches, "claim", refuse)
        await two["b"].keeper._sync.round()
        assert len(await two["b"].store.shared.lacking()) == 1
        assert "EIO" in two["b"].keeper.state.error


async def test_without_room_nothing_is_brought_and_a_push_is_not_acknowledged(folder: Path) -> None:
    async with Cluster(folder, ["a", "b"], keeps=False) as two:
        two["b"].min_free = ENORMOUS
        with pytest.raises(OciError) as refused:
            await two["a"].push(b"layer", tag="v1")
        assert refused.value.status == 503
        await two["b"].keeper._sync.round()
        assert "minFree" in two["b"].keeper.state.error
        assert not two["b"].site.on_disk()
        assert not two["b"].site.leftovers()
        two["b"].min_free = 0
        await two["a"].push(b"layer", tag="v1")
        assert await two["b"].is_whole("v1")
