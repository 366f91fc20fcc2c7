"""Filling beside pushes, deletions, collections and other replicas: a copy is no push, and writes only what changed."""

from __future__ import annotations

import asyncio

import pytest

from registry_gateway.pace import Pace
from registry_gateway.sources.base import ignore
from registry_gateway.store.errors import UnknownError
from registry_gateway.store.plan import Keep
from registry_gateway.store.stamps import UNDATED, Stamped
from registry_gateway.upkeep import fill as fills
from registry_gateway.upkeep.copying import Copier
from registry_gateway.upkeep.fill import Fill
from tests.gateway.filling import filling
from tests.gateway.store import Store
from tests.gateway.stores import expected, stored
from tests.store.site import DAY, NAME
from tests.support.fault_server import Asked, Reply


async def test_a_push_while_its_tag_is_copied_holds() -> None:
    registry = Store()
    registry.image(b"first", tag="stable")
    gate, reached = asyncio.Event(), asyncio.Event()
    blob = next(path for path, (_, body) in registry.content.items() if body == b"first")
    registry.replies[blob] = Reply(200, body=b"first", hold=gate)

    def behaviour(asked: Asked) -> Reply:
        if asked.path.endswith(blob):
            reached.set()
        return registry.behaviour(asked)

    registry.server.behaviour = behaviour
    async with filling(registry, "stable") as filled:
        running = asyncio.create_task(filled.round())
        async with asyncio.timeout(10):
            await reached.wait()
        pushed = await filled.site.push_image(b"pushed", tag="stable")
        gate.set()
        await running
        assert (await filled.site.store.contents.tag(NAME, "stable"))[0] == pushed
        assert filled.fill.status()["done"] == 1


async def test_a_push_that_another_replica_has_holds_whenever_it_is_heard_of() -> None:
    """The disk was emptied after the push, or this replica lagged behind it; then a registry is asked."""
    registry = Store()
    old = registry.image(b"old", tag="stable")["digest"]
    async with filling(registry, "stable") as filled, stored() as elsewhere:
        pushed = await elsewhere.push_image(b"pushed", tag="stable")
        theirs = await elsewhere.store.shared.names(NAME)
        filled.site.clock.pass_(DAY)
        await filled.round()
        assert (await filled.site.store.contents.tag(NAME, "stable"))[0] == old, "nobody else is there"
        body = (await elsewhere.store.contents.manifest(NAME, pushed)).content
        for one in [one for one in theirs if not one.is_tag]:
            await filled.site.store.shared.put_manifest(NAME, body, one, complete=False)
        assert await filled.site.store.shared.merge(NAME, theirs) == []
        assert (await filled.site.store.contents.tag(NAME, "stable"))[0] == pushed
        newer = registry.image(b"newer", tag="stable")["digest"]
        known = await filled.site.store.shared.current(NAME, ["stable"])
        await filled.round(later=fills.TAG_EVERY)
        [moved] = await filled.site.store.shared.current(NAME, ["stable"])
        assert (moved.value, moved.stamp) == (newer, known[0].stamp + 1), "just later than what it replaces"


async def test_a_tag_that_a_replica_has_comes_by_comparing_and_only_its_content_by_copying() -> None:
    registry, other = Store(), Store()
    old = other.image(b"old", tag="stable")["digest"]
    async with other.source() as peer, filling(registry, "stable", peers=[peer], registries=[]) as filled:
        status = await filled.round()
        assert (status["done"], status["failed"]) == (0, 0)
        assert await filled.site.store.contents.tags(NAME) == []
        assert await filled.whole(old)
        [manifest] = await filled.site.store.shared.names(NAME)
        assert manifest.stamp == UNDATED
        assert await filled.site.store.shared.merge(NAME, [Stamped("stable", 7, old)]) == []
        assert (await filled.round())["done"] == 1
        [tag] = await filled.site.store.shared.current(NAME, ["stable"])
        assert (tag.value, tag.stamp) == (old, 7)


async def test_a_tag_that_replicas_lost_is_asked_for_at_the_registry_soon() -> None:
    registry, other = Store(), Store()
    image = registry.image(b"image", tag="stable")["digest"]
    other.content.update(registry.content)
    async with other.source() as peer, filling(registry, "stable", peers=[peer]) as filled:
        await filled.round()
        del other.content["manifests/stable"]
        assert (await filled.round(later=fills.RETRY_AFTER))["done"] == 1
        assert (await filled.site.store.contents.tag(NAME, "stable"))[0] == image


@pytest.mark.parametrize("of_peer", [False, True])
async def test_what_was_collected_or_deleted_here_comes_again_when_it_is_expected(of_peer: bool) -> None:
    registry = Store()
    tagged = registry.image(b"tagged", tag="v1.69.0")["digest"]
    single, deleted = [registry.image(label)["digest"] for label in (b"single", b"deleted")]
    async with filling(registry, "v1.69.0", single, deleted) as filled:
        await filled.round()
        filled.site.clock.pass_(2 * DAY)
        await filled.site.store.changes.delete_manifest(NAME, deleted)
        await filled.site.store.upkeep.collect(Keep(tag=lambda repository, tag: False))  # noqa: ARG005 - no tag
        assert await filled.site.store.contents.tags(NAME) == []
        again = Fill(
            expected("v1.69.0", single, deleted),
            filled.site.store,
            NAME,
            peers=[filled.source] if of_peer else [],
            registries=[] if of_peer else [filled.source],
            pace=Pace(0),
            changed=ignore,
            counted=ignore,
        )
        await again.round()
        assert again.status()["done"] == 3
        assert (await filled.site.store.contents.tag(NAME, "v1.69.0"))[0] == tagged


async def test_what_has_not_changed_is_not_written_again() -> None:
    registry = Store()
    index = registry.index(*[registry.image(label, b"shared") for label in (b"amd64", b"arm64")])["digest"]
    registry.content["manifests/stable"] = registry.content[f"manifests/{index}"]
    async with filling(registry, "stable") as filled:
        await filled.round()
        file = filled.site.layout() / "index.json"
        before = await filled.site.store.shared.names(NAME), file.stat().st_ino, file.stat().st_mtime_ns
        registry.server.asked.clear()
        filled.site.clock.pass_(fills.TAG_EVERY)
        await filled.round(later=fills.TAG_EVERY)
        assert registry.asked("GET") == ["manifests/stable"]
        after = await filled.site.store.shared.names(NAME), file.stat().st_ino, file.stat().st_mtime_ns
        assert after == before


async def test_a_manifest_that_is_repaired_keeps_its_time() -> None:
    registry = Store()
    image = registry.image(b"image", tag="stable")["digest"]
    async with filling(registry, "stable") as filled:
        await filled.round()
        before = await filled.site.store.shared.names(NAME)
        damaged = filled.site.file(image)
        damaged.chmod(0o640)
        damaged.write_bytes(b"x")
        with pytest.raises(UnknownError):
            await filled.site.store.contents.manifest(NAME, image)
        filled.site.clock.pass_(DAY)
        await Copier(filled.site.store, NAME, "", upstreams=[filled.source], pace=Pace(0)).manifest(image)
        assert await filled.whole("stable")
        assert await filled.site.store.shared.names(NAME) == before
