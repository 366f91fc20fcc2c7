"""Replicas that differ become equal, and nothing that was acknowledged is lost on the way."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from registry_gateway.oci import OciError
from registry_gateway.store.errors import BrokenError, ContentMissingError
from registry_gateway.store.plan import Keep
from registry_gateway.store.stamps import REMEMBERED
from registry_gateway.store.store import Store
from tests.replicas.cluster import Cluster, until
from tests.replicas.node import image
from tests.store import site as build
from tests.store.site import DAY, INDEX, NAME, digest


def later(cluster: Cluster, seconds: float) -> None:
    """Move all clocks."""
    for node in cluster.nodes.values():
        node.clock.pass_(seconds)


async def test_a_network_cut_during_a_push_loses_nothing(three: Cluster) -> None:
    async def push(number: int) -> str:
        return await three["a" if number % 2 else "b"].push(bytes([number]) * 200_000, tag=f"v{number}")

    pushing = [asyncio.create_task(push(number)) for number in range(8)]
    await until(lambda: anything_at(three, "c"), what="the first has arrived")
    await three.cut("a", "b")
    await three.cut("a", "c")
    pushed = await asyncio.gather(*pushing)
    await three.heal("a", "b")
    await three.heal("a", "c")
    await three.equal()
    for node in three.nodes.values():
        assert [await node.tag(f"v{number}") for number in range(8)] == pushed
        assert all([await node.is_whole(one) for one in pushed])


async def anything_at(cluster: Cluster, name: str) -> bool:
    return bool(cluster[name].site.on_disk())


async def test_both_sides_of_a_cut_go_on_and_the_later_push_of_a_tag_holds(two: Cluster) -> None:
    await two["a"].push(b"first", tag="v1")
    await two.cut("a", "b")
    await two.sees("a")
    await two.sees("b")
    later(two, 60)
    await two["a"].push(b"at a", tag="v1")
    later(two, 60)
    last = await two["b"].push(b"at b", tag="v1")
    await two.heal("a", "b")
    await two.equal()
    assert [await node.tag("v1") for node in two.nodes.values()] == [last, last]


async def test_parallel_pushes_of_one_tag_end_equal(three: Cluster) -> None:
    await asyncio.gather(*(three["abc"[n % 3]].push(b"same", tag="v1", label=str(n)) for n in range(9)))
    await three.equal()
    assert len({await node.tag("v1") for node in three.nodes.values()}) == 1


async def test_what_was_deleted_while_a_replica_was_away_is_not_brought_back_by_it(three: Cluster) -> None:
    gone = await three["a"].push(b"gone", tag="old")
    await three["a"].push(b"untagged", tag="moved")
    await three.equal()
    await three["c"].stop()
    later(three, 60)
    await three["a"].delete(gone)
    await three["b"].delete("moved")
    await three["c"].restart()
    await three.equal()
    for node in three.nodes.values():
        assert [await node.tag("old"), await node.tag("moved")] == ["", ""]
        assert not await node.is_whole(gone)


async def test_what_is_pushed_again_after_a_deletion_stays(three: Cluster) -> None:
    pushed = await three["a"].push(b"layer", tag="v1")
    await three.equal()
    await three["b"].delete(pushed)
    await three.equal()
    assert await three["c"].push(b"layer", tag="v1") == pushed
    await three.equal()
    assert [await node.tag("v1") for node in three.nodes.values()] == [pushed] * 3


async def test_a_tag_that_moved_elsewhere_outlives_the_deletion_of_its_old_image(two: Cluster) -> None:
    old = await two["a"].push(b"old", tag="v1")
    await two.equal()
    await two.cut("a", "b")
    await two.sees("a")
    await two.sees("b")
    new = await two["b"].push(b"new", tag="v1")
    await two["a"].delete(old)
    await two.heal("a", "b")
    await two.equal()
    tags = [await node.tag("v1") for node in two.nodes.values()]
    assert tags in ([new, new], ["", ""])  # at the same time by their clocks: either, but the same
    assert [await node.is_whole(new) for node in two.nodes.values()] == [True, True]


async def test_an_emptied_disk_is_filled_again(three: Cluster) -> None:
    pushed = [await three["a"].push(bytes([n]) * 50_000, tag=f"v{n}", name=f"a/{n % 3}") for n in range(9)]
    await three.equal()
    await three["c"].stop()
    await three["c"].restart(wiped=True)
    await three.equal()
    for number, one in enumerate(pushed):
        assert await three["c"].is_whole(one, name=f"a/{number % 3}")
    assert three["c"].keeper.state.missing == 0


async def test_a_damaged_blob_is_healed(two: Cluster) -> None:
    await two["a"].push(b"layer", tag="v1")
    await two.equal()
    two["b"].site.file(digest(b"layer")).chmod(0o640)
    two["b"].site.file(digest(b"layer")).write_bytes(b"LAYER")
    assert [one async for one in two["b"].store.upkeep.scrub(rate=10**9)]
    await two.equal()
    assert await two["b"].site.read(digest(b"layer")) == b"layer"


async def test_what_a_collection_removed_is_not_fetched_from_who_has_it_yet(two: Cluster) -> None:
    await two["a"].push(b"old", tag="old")
    await two["a"].push(b"new", tag="new")
    await two.equal()
    later(two, 30 * DAY)  # what was pushed long ago is remembered for no shorter time
    removed = await two["a"].store.upkeep.collect(Keep(tag=lambda _, tag: tag == "new"))
    assert digest(b"old") in removed.digests
    rounds = two["a"].keeper.state.equal_at["b"]
    await until(lambda: compared_since(two, rounds), what="another round")
    assert [await two["a"].tag("old"), await two["b"].tag("old") != ""] == ["", True]  # nor has b lost it by that
    assert two["a"].keeper.state.missing == 0
    await two["b"].store.upkeep.collect(Keep(tag=lambda _, tag: tag == "new"))
    await two.equal()
    assert await two["b"].push(b"old", tag="old")  # a new push of the same is a new push
    await two.equal()
    assert await two["a"].is_whole("old")


async def test_an_image_that_one_replica_has_collected_comes_back_with_an_index_that_needs_it(three: Cluster) -> None:
    await three["a"].push(b"layer", label="1")
    await three.equal()
    later(three, 30 * DAY)
    child, body = image("1", b"layer")[0], build.index(image("1", b"layer")[0])
    assert digest(child) in (await three["a"].store.upkeep.collect(Keep())).digests
    assert digest(child) in (await three["c"].store.upkeep.collect(Keep())).digests
    later(three, 60)
    with pytest.raises(ContentMissingError):
        await three["a"].put(body, INDEX, tag="v1")
    await three["a"].replicas.find(NAME, [digest(child)], manifests=True)  # as a push does
    await three["a"].put(body, INDEX, tag="v1")
    await three["b"].put(body, INDEX, tag="v2")
    await three.equal()
    assert all([await node.is_whole(tag) for node in three.nodes.values() for tag in ("v1", "v2")])


async def test_an_index_takes_its_image_along_to_a_replica_that_has_collected_it(two: Cluster) -> None:
    await two["a"].push(b"layer", label="1")
    await two.equal()
    later(two, 30 * DAY)
    await two["a"].store.upkeep.collect(Keep())
    later(two, 60)
    pushed = await two["b"].put(build.index(image("1", b"layer")[0]), INDEX, tag="v1")  # a has to have it, too
    assert await two["a"].is_whole(pushed)
    await two.equal()


async def compared_since(cluster: Cluster, moment: float) -> bool:
    return cluster["a"].keeper.state.equal_at["b"] > moment


async def test_with_clocks_apart_who_saw_the_other_wins(folder: Path) -> None:
    async with Cluster(folder, ["a", "b"], skew=-30) as two:
        await two["a"].push(b"first", tag="v1")  # half a minute ahead of b
        await two.equal()
        last = await two["b"].push(b"second", tag="v1")
        await two.equal()
        assert [await node.tag("v1") for node in two.nodes.values()] == [last, last]
        await two["b"].delete("v1")
        await two.equal()
        assert [await node.tag("v1") for node in two.nodes.values()] == ["", ""]


async def test_tombstones_outlive_a_rebuild_and_end_after_a_week(folder: Path) -> None:
    async with Cluster(folder, ["a", "b"]) as two:
        gone = await two["a"].push(b"layer", tag="v1")
        await two["a"].delete(gone)
        await two.equal()
        before = await two["a"].names()
        assert before[NAME][gone][1] == ""
        await two["a"].stop()
        for path in two["a"].folder.glob("index.sqlite*"):
            path.unlink()
        await two["a"].restart()
        assert await two["a"].names() == before
        later(two, REMEMBERED / 1000 + 1)
        await until(lambda: nothing_left(two), what="the tombstones are forgotten")


async def nothing_left(cluster: Cluster) -> bool:
    return not any([await node.names() for node in cluster.nodes.values()])


async def test_times_of_tags_and_manifests_outlive_a_rebuild(folder: Path) -> None:
    async with Cluster(folder, ["a", "b"]) as two:
        await two["a"].push(b"layer", tag="v1")
        await two["a"].push(b"untagged")
        before = await two["a"].names()
        await two["a"].stop()
        (two["a"].folder / "rebuild").touch()
        await two["a"].restart()
        assert await two["a"].names() == before


async def test_equal_replicas_exchange_hashes_only(two: Cluster) -> None:
    await two["a"].push(b"layer", tag="v1")
    await two.equal()
    rounds = two["a"].keeper.state.equal_at["b"]
    two["b"].asked.clear()
    await until(lambda: compared_since(two, rounds), what="another round")
    await until(lambda: compared_since(two, two["a"].keeper.state.equal_at["b"] - 0.001), what="it is over")
    assert {path for path in two["b"].asked if "_replicas" in path} <= {
        "GET /v2/_replicas/summary",
        "GET /v2/_replicas/state",
    }


async def test_a_replica_knows_how_far_it_is_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Cluster(folder, ["a", "b"], keeps=False) as two:
        store: Store = two["b"].store
        await two.cut("a", "b")
        await two.sees("a")
        for number in range(3):
            await two["a"].push(b"layer", tag=f"v{number}")
        await two.heal("a", "b")
        await two.sees("b", "a")
        sync = two["b"].keeper._sync
        with monkeypatch.context() as disk:
            disk.setattr(store.fetches, "claim", refuse)
            await sync.round()
            assert two["b"].keeper.state.behind == {"a": 6}  # three manifests and three tags
            assert two["b"].keeper.state.error
        await sync.round()
        assert (two["b"].keeper.state.missing, two["b"].keeper.state.error) == (0, "")


async def refuse(*_: object) -> None:
    raise BrokenError("the disk answered EIO")


async def test_a_client_that_leaves_does_not_keep_others_from_having_its_push(two: Cluster) -> None:
    pushing = asyncio.create_task(two["a"].push(bytes(2_000_000), tag="v1"))
    await until(lambda: two["a"].is_whole("v1"), what="it is at a")
    pushing.cancel()
    with contextlib.suppress(asyncio.CancelledError, OciError):
        await pushing
    await two.equal()
    assert await two["b"].is_whole("v1")
