"""Bits that flip on the disk: found, put aside, repaired from elsewhere, and told of."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from registry_gateway.pace import Pace
from registry_gateway.sources.base import ignore
from registry_gateway.store.errors import UnknownError
from registry_gateway.upkeep.copying import Copier
from registry_gateway.upkeep.scrub_state import NAME as STATE
from registry_gateway.upkeep.scrubbing import Scrubbing
from tests.gateway.store import Store
from tests.gateway.stores import stored
from tests.store.site import NAME, Site, digest
from tests.support.fault_server import Reply

REST = "modules/ingress"


@asynccontextmanager
async def filled(registry: Store, references: Sequence[str]) -> AsyncIterator[tuple[Site, Scrubbing]]:
    """A store that has `references` of the registry, in a repository below the base."""
    async with registry.source() as source, stored() as site:

        def copier(repository: str) -> Copier | None:
            if repository != f"{NAME}/{REST}":
                return None
            return Copier(site.store, repository, REST, upstreams=[source], pace=Pace(0))

        made = copier(f"{NAME}/{REST}")
        assert made
        for reference in references:
            await made.image(reference)
        yield site, Scrubbing(site.store, site.folder, copier, rate=0, changed=ignore)


def below(registry: Store) -> Store:
    """The registry's content at REST too."""
    registry.content.update({f"{REST}/{path}": entry for path, entry in registry.content.items()})
    return registry


def flip(site: Site, wanted: str) -> None:
    path = site.file(wanted)
    path.chmod(0o640)
    with path.open("r+b") as file:
        byte = file.read(1)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 1]), 0)


async def test_damaged_blobs_and_manifests_are_found_and_repaired() -> None:
    registry = Store()
    image = registry.image(b"layer", b"other")["digest"]
    async with filled(below(registry), [image]) as (site, scrubbing):
        before = site.on_disk()
        for one in (image, digest(b"layer")):
            flip(site, one)
        site.file(digest(b"other")).unlink()
        await scrubbing.scrub()
        assert scrubbing.status() == {"checked": 4, "damaged": 3, "repaired": 0, "lastError": ""}
        assert site.on_disk() == before - {image, digest(b"layer"), digest(b"other")}
        with pytest.raises(UnknownError):
            await site.store.contents.blob(f"{NAME}/{REST}", digest(b"layer"))
        await scrubbing.repair()
        assert scrubbing.status() == {"checked": 4, "damaged": 3, "repaired": 3, "lastError": ""}
        assert site.on_disk() == before
        assert (await site.store.contents.manifest(f"{NAME}/{REST}", image)).digest == image
        assert await site.read(digest(b"layer"), f"{NAME}/{REST}") == b"layer"
        await scrubbing.scrub()
        assert scrubbing.status()["damaged"] == 3


async def test_what_the_disk_does_not_give_is_repaired() -> None:
    registry = Store()
    image = registry.image(b"layer", b"other")["digest"]
    async with filled(below(registry), [image]) as (site, scrubbing):
        before = site.on_disk()
        for wanted in before:
            site.lose(wanted)
        await scrubbing.scrub()
        await scrubbing.repair()
        found = scrubbing.status()
        assert (found["checked"], found["damaged"], found["repaired"], found["lastError"]) == (4, 4, 4, "")
        for wanted in before:
            assert digest(site.file(wanted).read_bytes()) == wanted


async def test_what_cannot_be_repaired_is_told_of_remembered_and_tried_again() -> None:
    registry = Store()
    image = registry.image(b"layer")["digest"]
    blob = f"{REST}/blobs/{digest(b'layer')}"
    async with filled(below(registry), [image]) as (site, scrubbing):
        flip(site, digest(b"layer"))
        registry.replies[blob] = Reply(200, body=b"wrong")
        await scrubbing.scrub()
        await scrubbing.repair()
        error = scrubbing.status()["lastError"]
        assert digest(b"layer") in error
        assert "other content" in error
        registry.replies.clear()
        restarted = Scrubbing(site.store, site.folder, scrubbing._copier, rate=0, changed=ignore)
        assert restarted.status() == {"checked": 3, "damaged": 1, "repaired": 0, "lastError": ""}
        await restarted.repair()
        assert restarted.status()["repaired"] == 1
        assert await site.read(digest(b"layer"), f"{NAME}/{REST}") == b"layer"


async def test_what_a_client_brought_again_meanwhile_counts_as_repaired() -> None:
    registry = Store()
    image = registry.image(b"layer")["digest"]
    async with filled(below(registry), [image]) as (site, scrubbing):
        flip(site, digest(b"layer"))
        await scrubbing.scrub()
        registry.server.asked.clear()
        await site.push_blob(b"layer", f"{NAME}/{REST}")
        await scrubbing.repair()
        assert (scrubbing.status()["repaired"], registry.server.asked) == (1, [])


async def test_damage_that_nobody_needs_is_forgotten() -> None:
    async with filled(Store(), []) as (site, scrubbing):
        await site.push_blob(b"lonely", "other")
        flip(site, digest(b"lonely"))
        await scrubbing.scrub()
        await scrubbing.repair()
        assert scrubbing.status() == {"checked": 1, "damaged": 1, "repaired": 1, "lastError": ""}


async def test_a_scrub_goes_on_where_the_last_one_was_when_the_process_ended() -> None:
    registry = Store()
    images = [registry.image(b"layer %d" % number)["digest"] for number in range(4)]
    async with filled(below(registry), images) as (site, scrubbing):
        whole = len(site.on_disk())
        found = site.store.upkeep.scrub(rate=0)
        cursor = [await anext(found) for _ in range(5)][-1].cursor
        await found.aclose()  # type: ignore[attr-defined] # it is a generator
        (site.folder / STATE).write_text(
            f'{{"cursor": {cursor}, "began": 1.0, "checked": 5, "damaged": 0, "repaired": 0, "open": []}}'
        )
        restarted = Scrubbing(site.store, site.folder, scrubbing._copier, rate=0, changed=ignore)
        await restarted.scrub()
        assert restarted.status()["checked"] == whole
        await restarted.scrub()
        assert restarted.status()["checked"] == whole, "a new pass counts anew"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cursor": "x"}', '{"cursor": 1}'])
async def test_a_state_that_cannot_be_read_is_a_new_one(text: str) -> None:
    async with stored() as site:
        (site.folder / STATE).write_text(text)
        made = Scrubbing(site.store, site.folder, lambda repository: None, rate=0, changed=ignore)  # noqa: ARG005
        await made.scrub()
        assert made.status()["checked"] == 0
