"""A push is acknowledged when a majority of the live replicas has it."""

from __future__ import annotations

import asyncio

import pytest

from registry_gateway.oci import OciError
from registry_gateway.store.errors import NoSpaceError
from tests.replicas.cluster import Cluster, until
from tests.replicas.node import image
from tests.store import site as build
from tests.store.site import INDEX, NAME, digest


async def whole_at(cluster: Cluster, reference: str) -> list[str]:
    return [name for name, node in cluster.nodes.items() if await node.is_whole(reference)]


async def test_an_acknowledged_push_is_on_a_majority_and_soon_everywhere(three: Cluster) -> None:
    pushed = await three["a"].push(b"layer", b"another", tag="v1")
    assert len(await whole_at(three, pushed)) >= 2
    await three.equal()
    assert await whole_at(three, "v1") == ["a", "b", "c"]


async def test_an_index_comes_with_its_images(three: Cluster) -> None:
    for label in ("1", "2"):
        await three["a"].site.push_image(b"layer", label=label)
    body = build.index(image("1", b"layer")[0], image("2", b"layer")[0])
    pushed = await three["a"].put(body, INDEX, tag="v1")
    assert len(await whole_at(three, pushed)) >= 2
    await three.equal()
    assert (await three["c"].store.contents.manifest(NAME, digest(image("2", b"layer")[0]))).content


async def test_with_one_replica_down_a_push_is_acknowledged_and_the_other_catches_up(three: Cluster) -> None:
    await three["c"].stop()
    await three.sees("a", "b")
    pushed = await three["a"].push(b"layer", tag="v1")
    assert await three["b"].is_whole("v1")
    await three["c"].restart()
    await three.equal()
    assert await three["c"].tag("v1") == pushed


async def test_a_replica_that_just_went_down_holds_up_nobody(three: Cluster) -> None:
    await three["c"].stop()
    await three["a"].push(b"layer", tag="v1")
    await three["c"].restart()
    await three.equal()


async def test_alone_a_push_is_acknowledged_at_once_and_spread_when_others_return(three: Cluster) -> None:
    await three["b"].stop()
    await three["c"].stop()
    await three.sees("a")
    await three["a"].push(b"layer", tag="v1")
    await three["b"].restart()
    await three["c"].restart()
    await three.equal()
    assert await whole_at(three, "v1") == ["a", "b", "c"]


async def test_two_live_replicas_must_both_have_it(two: Cluster) -> None:
    await two.sees("a", "b")
    pushed = await two["a"].push(b"layer", tag="v1")
    assert await whole_at(two, pushed) == ["a", "b"]


async def test_without_a_majority_the_client_is_told_to_push_again_and_nothing_is_lost(
    two: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = two["b"].store.fetches

    async def no_room(*_: object) -> None:
        raise NoSpaceError("the data directory's disk is full")

    await two.sees("a", "b")
    with monkeypatch.context() as disk:
        disk.setattr(full, "claim", no_room)
        with pytest.raises(OciError) as refused:
            await two["a"].push(b"layer", tag="v1")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")
    assert await two["a"].is_whole("v1")
    pushed = await two["a"].push(b"layer", tag="v1")  # as the client does
    assert await whole_at(two, pushed) == ["a", "b"]


async def test_a_peer_that_takes_the_question_and_is_cut_off_is_waited_for_only_while_it_counts(two: Cluster) -> None:
    await two.sees("a", "b")
    await two.cut("a", "b", hang=True)
    await two["a"].push(b"layer", tag="v1")
    assert await whole_at(two, "v1") == ["a"]
    await two.heal("a", "b")
    await two.equal()


async def test_a_manifest_whose_blobs_were_pushed_to_another_replica_finds_them(three: Cluster) -> None:
    body, settings = image("1", b"here", b"there")
    await three["a"].site.push_blob(b"here")
    for blob in (settings, b"there"):
        await three["b"].site.push_blob(blob)
    wanted = [digest(one) for one in (settings, b"here", b"there", b"nowhere")]
    await three["a"].replicas.find(NAME, wanted, manifests=False)
    assert [await three["a"].site.has(one) for one in wanted] == [True, True, True, False]
    await three["a"].put(body, tag="v1")
    await three.equal()


async def test_many_pushes_at_once_fetch_each_blob_once(three: Cluster) -> None:
    layer = bytes(300_000)
    await asyncio.gather(*(three["a"].push(layer, tag=f"v{number}", label=str(number)) for number in range(6)))
    await three.equal()
    fetches = [asked for asked in three["a"].asked if asked == f"GET /v2/{NAME}/blobs/{digest(layer)}"]
    assert len(fetches) <= 2  # one for each of the others


async def test_a_deletion_is_acknowledged_like_a_push(three: Cluster) -> None:
    pushed = await three["a"].push(b"layer", tag="v1")
    await three["a"].push(b"layer", tag="v2")
    await three.equal()
    await three["b"].delete("v1")
    assert sum([await node.tag("v1") == "" for node in three.nodes.values()]) >= 2
    await three["c"].delete(pushed)
    await three.equal()
    assert [await node.is_whole(pushed) for node in three.nodes.values()] == [False] * 3
    assert [await node.is_whole("v2") for node in three.nodes.values()] == [True] * 3


async def test_nobody_but_a_peer_may_ask(three: Cluster) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", three["a"].port)
    writer.write(b"GET /v2/_replicas/summary HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 403")


async def test_a_worker_that_has_just_started_counts_nobody_as_dead(two: Cluster) -> None:
    await two["a"].stop()
    await two["a"].restart()
    pushed = await two["a"].push(b"layer", tag="v1")
    await until(lambda: two["b"].is_whole(pushed), what="it is at b", seconds=0.001)
