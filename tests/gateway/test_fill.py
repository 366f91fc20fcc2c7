"""Filling a copy: whole images by tag and digest, in order of the sources, going on where it broke off."""

from __future__ import annotations

import asyncio

import pytest

from registry_gateway.pace import Pace
from registry_gateway.upkeep import fill as fills
from tests.gateway.filling import filling
from tests.gateway.store import Store
from tests.store.site import NAME
from tests.support.fault_server import Asked, Reply


async def test_images_by_digest_tag_and_index_become_whole() -> None:
    registry = Store()
    single = registry.image(b"one", b"shared")["digest"]
    children = [registry.image(label, b"shared") for label in (b"amd64", b"arm64")]
    index = registry.index(*children)["digest"]
    tagged = registry.image(b"tagged", tag="v1.70.0")["digest"]
    async with filling(registry, single, index, "v1.70.0") as filled:
        status = await filled.round()
        assert status == {"total": 3, "done": 3, "failed": 0, "errors": []}
        for reference in (single, index, "v1.70.0"):
            assert await filled.whole(reference)
        assert (await filled.site.store.contents.tag(NAME, "v1.70.0"))[0] == tagged
        assert await filled.site.store.contents.tags(NAME) == ["v1.70.0"]
        asked = filled.blobs_asked()
        assert len(asked) == len(set(asked)), "what several images share is fetched once"
        assert sum(filled.received) == sum(len(body) for _, body in {
            digest: entry for digest, entry in registry.content.items() if ":" in digest
        }.values())  # fmt: skip
        registry.server.asked.clear()
        await filled.round(later=fills.RETRY_AT_MOST)
        assert registry.server.asked == [], "what is whole is not asked for"


async def test_one_image_that_fails_holds_up_no_other_and_is_tried_again_later() -> None:
    registry = Store()
    good = [registry.image(label)["digest"] for label in (b"a", b"b", b"c")]
    bad = registry.image(b"bad")["digest"]
    layer = next(path for path, (_, body) in registry.content.items() if body == b"bad")
    media_type, body = registry.content.pop(layer)
    async with filling(registry, bad, *good) as filled:
        status = await filled.round()
        assert (status["done"], status["failed"]) == (3, 1)
        [error] = status["errors"]
        assert (error["image"], error["reference"], error["reason"]) == ("image-000", bad, "NotFound")
        assert "answered 404" in error["message"]
        registry.server.asked.clear()
        await filled.round()
        assert registry.server.asked == [], "not before its time"
        registry.content[layer] = media_type, body
        status = await filled.round(later=fills.RETRY_AFTER)
        assert (status["done"], status["errors"]) == (4, [])
        assert filled.blobs_asked() == [layer], "the config is here already"


async def test_wrong_content_is_not_stored_and_the_next_source_is_asked() -> None:
    registry, liar = Store(), Store()
    image = registry.image(b"layer")["digest"]
    liar.image(b"layer")
    for path in [path for path in liar.content if path.startswith("blobs/")]:
        liar.replies[path] = Reply(200, body=b"x" * len(liar.content[path][1]))
    async with liar.source() as peer, filling(registry, image, peers=[peer]) as filled:
        assert (await filled.round())["done"] == 1
        assert liar.asked("GET"), "it was asked first"
        assert filled.site.leftovers() == []
        assert await filled.whole(image)


@pytest.mark.parametrize("fault", ["cut", "longer", "shorter", "other manifest", "no manifest"])
async def test_what_is_not_as_it_should_be_is_an_error_that_says_so(fault: str) -> None:
    registry = Store()
    image = registry.image(b"layer")["digest"]
    blob = next(path for path, (_, body) in registry.content.items() if body == b"layer")
    registry.replies.update(
        {
            "cut": {blob: Reply(200, body=b"layer", stop_at=2)},
            "longer": {blob: Reply(200, body=b"layers", chunked=True)},
            "shorter": {blob: Reply(200, body=b"lay")},
            "other manifest": {f"manifests/{image}": Reply(200, body=b"{}")},
            "no manifest": {f"manifests/{image}": Reply(200, body=b"x" * (4 * 1024**2 + 1))},
        }[fault]
    )
    async with filling(registry, image) as filled:
        [error] = (await filled.round())["errors"]
        assert error["reason"] in ("UpstreamError", "Unreachable")
        assert registry.server.address in error["message"]
        assert not await filled.whole(image)
        assert filled.site.leftovers() == []
        registry.replies.clear()
        assert (await filled.round(later=fills.RETRY_AFTER))["done"] == 1


async def test_peers_are_asked_before_registries_and_a_missing_image_is_the_registrys_word() -> None:
    registry, other = Store(), Store()
    image = registry.image(b"layer")["digest"]
    other.image(b"layer")
    nowhere = "sha256:" + "0" * 64
    async with other.source() as peer, filling(registry, image, nowhere, peers=[peer]) as filled:
        status = await filled.round()
        assert registry.asked("GET") == [f"manifests/{nowhere}"]
        [error] = status["errors"]
        assert registry.server.address in error["message"]
        assert await filled.whole(image)


async def test_without_any_source_the_error_says_that_there_is_none() -> None:
    registry = Store()
    async with filling(registry, "sha256:" + "0" * 64, registries=[]) as filled:
        [error] = (await filled.round())["errors"]
        assert error["reason"] == "NotFound"
        assert "no registry" in error["message"]


async def test_a_tag_is_asked_for_again_and_keeps_what_it_had_when_nobody_answers() -> None:
    registry = Store()
    first = registry.image(b"first", tag="stable")["digest"]
    async with filling(registry, "stable") as filled:
        await filled.round()
        second = registry.image(b"second", tag="stable")["digest"]
        await filled.round(later=fills.TAG_EVERY / 2)
        assert (await filled.site.store.contents.tag(NAME, "stable"))[0] == first
        await filled.round(later=fills.TAG_EVERY)
        assert (await filled.site.store.contents.tag(NAME, "stable"))[0] == second
        registry.replies["manifests/stable"] = Reply(503)
        status = await filled.round(later=2 * fills.TAG_EVERY)
        assert (status["done"], status["errors"]) == (1, [])
        assert await filled.whole("stable")


async def test_a_registry_that_refuses_the_login_is_not_asked_for_every_image() -> None:
    registry = Store()
    references = ["sha256:" + f"{number:064x}" for number in range(30)]
    registry.replies.update(
        {f"manifests/{one}": Reply(401, {"WWW-Authenticate": "Basic realm=x"}) for one in references}
    )
    async with filling(registry, *references) as filled:
        status = await filled.round()
        assert status["failed"] == 30
        assert len(registry.server.asked) < 15


async def test_content_that_another_process_fetches_is_waited_for() -> None:
    registry = Store()
    image = registry.image(b"layer")["digest"]
    blob = next(path for path, (_, body) in registry.content.items() if body == b"layer").removeprefix("blobs/")
    async with filling(registry, image) as filled:
        claim = await filled.site.store.fetches.claim(NAME, blob)
        assert claim is not None
        async with claim:
            await claim.begin(5)
            running = asyncio.create_task(filled.round())
            await claim.write(b"layer")
            await claim.commit()
            await running
        assert f"blobs/{blob}" not in registry.asked("GET")
        assert await filled.whole(image)


async def test_no_more_comes_in_a_second_than_the_rate_allows() -> None:
    registry = Store()
    image = registry.image(b"x" * 300_000, b"y" * 300_000)["digest"]
    async with filling(registry, image, pace=Pace(1_000_000)) as filled:
        started = asyncio.get_running_loop().time()
        await filled.round()
        assert asyncio.get_running_loop().time() - started > 0.5


async def test_an_image_is_not_to_be_seen_before_it_is_whole() -> None:
    registry = Store()
    old = registry.image(b"old", tag="stable")["digest"]
    gate, reached = asyncio.Event(), asyncio.Event()
    async with filling(registry, "stable") as filled:
        await filled.round()
        registry.image(b"new", tag="stable")
        blob = next(path for path, (_, body) in registry.content.items() if body == b"new")
        registry.replies[blob] = Reply(200, body=b"new", hold=gate)

        def behaviour(asked: Asked) -> Reply:
            if asked.path.endswith(blob):
                reached.set()
            return registry.behaviour(asked)

        registry.server.behaviour = behaviour
        running = asyncio.create_task(filled.round(later=2 * fills.TAG_EVERY))
        async with asyncio.timeout(10):
            await reached.wait()
        assert (await filled.site.store.contents.tag(NAME, "stable"))[0] == old
        gate.set()
        await running
        assert (await filled.site.store.contents.tag(NAME, "stable"))[0] != old


async def test_nothing_is_copied_while_the_disk_has_too_little_room() -> None:
    registry, full = Store(), [True]
    image = registry.image(b"layer")["digest"]
    async with filling(registry, image, full=lambda: full[0]) as filled:
        [error] = (await filled.round())["errors"]
        assert "too little room" in error["message"]
        assert registry.server.asked == []
        full[0] = False
        assert (await filled.round(later=fills.RETRY_AFTER))["done"] == 1


async def test_a_registry_that_limits_requests_is_left_alone_as_long_as_it_says() -> None:
    registry = Store()
    image = registry.image(b"layer")["digest"]
    registry.replies[f"manifests/{image}"] = Reply(429, {"Retry-After": "3600"})
    async with filling(registry, image) as filled:
        await filled.round()
        registry.replies.clear()
        assert (await filled.round(later=3599))["done"] == 0
        assert (await filled.round(later=1))["done"] == 1


async def test_each_replica_begins_with_other_images() -> None:
    references = ["sha256:" + f"{number:064x}" for number in range(40)]
    orders = []
    for name in ("master-0", "master-1", "master-2"):
        async with filling(Store(), *references, name=name) as filled:
            orders.append(filled.fill._order)
    assert len({tuple(order) for order in orders}) == 3
    assert all(sorted(order) == references for order in orders)
