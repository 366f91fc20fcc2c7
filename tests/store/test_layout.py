"""What other programs read of the store, and the index built again from it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_gateway.store.errors import BrokenError, DamagedError, UnknownError
from registry_gateway.store.store import Store
from tests.store import site as build
from tests.store.site import INDEX, NAME, Clock, Site, digest, lose

Damage = Callable[[Path], Any]


PAGE = 4096  # bytes


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


async def test_skopeo_reads_and_copies_from_the_layout(site: Site, tmp_path: Path) -> None:
    image = await site.push_image(b"layer", tag="v1.0_x")
    await site.push_image(b"other", tag="v2")
    found = json.loads(await asyncio.to_thread(run, "skopeo", "inspect", f"oci:{site.layout()}:v1.0_x"))
    assert (found["Digest"], found["Layers"]) == (image, [digest(b"layer")])
    copy = f"dir:{tmp_path}/copy"
    await asyncio.to_thread(run, "skopeo", "copy", "--preserve-digests", f"oci:{site.layout()}:v2", copy)
    assert (tmp_path / "copy" / digest(b"other").removeprefix("sha256:")).read_bytes() == b"other"


async def test_the_layout_is_what_the_image_spec_says(site: Site) -> None:
    image = await site.push_image(b"layer", tag="v1")
    untagged = await site.push_image(b"layer", label="untagged")
    assert json.loads((site.layout() / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    document = json.loads((site.layout() / "index.json").read_bytes())
    assert (document["schemaVersion"], document["mediaType"]) == (2, INDEX)
    entries = {one["digest"]: one for one in document["manifests"]}
    assert entries[image]["annotations"]["org.opencontainers.image.ref.name"] == "v1"
    assert "org.opencontainers.image.ref.name" not in entries[untagged]["annotations"]
    for one in entries.values():
        assert (site.layout() / "blobs" / one["digest"].replace(":", "/")).stat().st_size == one["size"]
    assert not (site.layout() / "blobs").readlink().is_absolute()


def remove(index: Path) -> None:
    for path in index.parent.glob("index.sqlite*"):
        path.unlink()


DAMAGES: dict[str, Damage] = {
    "gone": remove,
    "empty": lambda index: index.write_bytes(b""),
    "overwritten": lambda index: index.write_bytes(b"\0" * index.stat().st_size),
    "text": lambda index: index.write_text("no database"),
    "cut": lambda index: os.truncate(index, 5000),
    "of another version": lambda index: run("python3", "-c", USER_VERSION, str(index)),
}
USER_VERSION = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA user_version = 99')"


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_lost_or_damaged_index_is_rebuilt_with_its_tags(folder: Path, damage: Damage) -> None:
    settings, layers = build.config("child"), [b"one", b"two"]
    child = build.manifest(settings, layers)
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        for body in (settings, *layers):
            await site.push_blob(body)
        await store.changes.put_manifest(NAME, child, build.MANIFEST)
        top = await store.changes.put_manifest(NAME, build.index(child), INDEX, tag="multi")
        image = await site.push_image(b"one", tag="v1", name="modules/x")
        subject = {"mediaType": build.MANIFEST, "digest": image, "size": 1}
        about = build.manifest(build.config("v1"), [], subject=subject, annotations={"k": "v"})
        await store.changes.put_manifest("modules/x", about, build.MANIFEST)
    damage(folder / "index.sqlite")
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        assert await store.contents.repositories() == ["modules/x", NAME]
        assert await store.contents.tags(NAME) == ["multi"]
        assert (await store.contents.manifest(NAME, "multi")).digest == top
        assert (await store.contents.manifest(NAME, digest(child))).content == child
        for layer in layers:
            assert await site.read(digest(layer)) == layer
        assert not await site.has(digest(b"two"), "modules/x")
        (found,) = await store.contents.referrers("modules/x", image)
        assert (found.digest, json.loads(found.annotations)) == (digest(about), {"k": "v"})
        assert await store.upkeep.check_index()


async def test_a_name_outlives_its_content(folder: Path) -> None:
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        image = await site.push_image(b"layer", tag="v1")
        body = (await store.contents.manifest(NAME, "v1")).content
    site.file(image).chmod(0o640)
    site.file(image).write_bytes(b"damaged")
    remove(folder / "index.sqlite")
    async with await Store.open(folder) as store:
        assert await store.contents.tags(NAME) == ["v1"]
        with pytest.raises(UnknownError):
            await store.contents.manifest(NAME, "v1")
        await store.changes.put_manifest(NAME, body, build.MANIFEST, complete=False)  # the repair
        assert (await store.contents.manifest(NAME, "v1")).content == body


async def test_what_the_disk_does_not_give_does_not_stop_a_rebuild(folder: Path) -> None:
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        image = await site.push_image(b"layer", tag="v1")
        body = (await store.contents.manifest(NAME, "v1")).content
        for name in ("other", "third"):
            await site.push_image(b"layer", tag="v1", name=name, label=name)
    site.lose(image)
    lose(site.layout("other") / "index.json")
    remove(folder / "index.sqlite")
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        assert await store.contents.tags("third") == await store.contents.tags(NAME) == ["v1"]
        await store.contents.manifest("third", "v1")
        await site.push_image(b"layer", tag="v2", name="other")
        assert names_in(site.layout("other")) == ["v2"]
        assert (site.layout("other") / "index.json.unreadable").is_symlink(), "kept, for who can read it after all"
        await store.changes.put_manifest(NAME, body, build.MANIFEST, complete=False)
        assert (await store.contents.manifest(NAME, "v1")).content == body


async def test_damage_inside_is_found_and_repaired_at_the_next_start(folder: Path) -> None:
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        for number in range(40):
            await site.push_image(b"layer", tag=f"v{number}")
    with (folder / "index.sqlite").open("r+b") as index:
        index.seek(-3 * PAGE, os.SEEK_END)  # the tables' first pages, which opening reads, are in front
        index.write(b"\xff" * 3 * PAGE)
    async with await Store.open(folder) as store:
        assert not await store.upkeep.check_index()
        with pytest.raises(DamagedError):
            await asyncio.gather(*(store.contents.manifest(NAME, f"v{number}") for number in range(40)))
    async with await Store.open(folder) as store:
        assert len(await store.contents.tags(NAME)) == 40
        assert await store.upkeep.check_index()


async def test_of_many_that_open_a_new_store_at_once_one_builds_the_index(folder: Path) -> None:
    stores = await asyncio.gather(*(Store.open(folder) for _ in range(6)))
    await Site(folder, stores[0], Clock()).push_image(b"layer", tag="v1")
    for store in stores:
        assert await store.contents.tags(NAME) == ["v1"]
        await store.close()


async def test_an_index_in_use_is_not_rebuilt_under_others(site: Site) -> None:
    await site.push_image(b"layer", tag="v1")
    (site.folder / "rebuild").touch()
    async with await Store.open(site.folder) as other:
        assert await other.contents.tags(NAME) == ["v1"]
    assert (site.folder / "rebuild").exists()
    await site.push_image(b"layer", tag="v2")
    assert await site.store.contents.tags(NAME) == ["v1", "v2"]


async def test_what_does_not_belong_into_the_folders_does_not_stop_a_rebuild(folder: Path) -> None:
    async with await Store.open(folder) as store:
        await Site(folder, store, Clock()).push_image(b"layer", tag="v1")
    (folder / "blobs" / "sha256" / "lost+found").write_bytes(b"")
    (folder / "repositories" / "Not a name").mkdir()
    (folder / "repositories" / "half-made").mkdir()
    (folder / "repositories" / "broken").mkdir()
    (folder / "repositories" / "broken" / "index.json").write_bytes(b'{"manifests": [1, {"digest": "sha256:x"}]}')
    remove(folder / "index.sqlite")
    async with await Store.open(folder) as store:
        assert await store.contents.tags(NAME) == ["v1"]


async def test_ten_thousand_blobs_are_opened_in_a_blink(folder: Path) -> None:
    async with await Store.open(folder):
        pass
    for number in range(10_000):
        (folder / "blobs" / "sha256" / f"{number:064x}").touch()
    remove(folder / "index.sqlite")
    async with await Store.open(folder) as store:
        assert (await store.upkeep.usage()).pieces == 10_000
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with await Store.open(folder):
        assert loop.time() - started < 5, "opening takes no time in proportion to the content"


async def test_a_layout_that_cannot_be_written_keeps_nobody_from_the_store_and_is_written_later(folder: Path) -> None:
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        await site.push_image(b"layer", tag="v1")
        await site.push_image(b"layer", tag="v1", name="other")
        for name in (NAME, "other"):  # the index has taken the second tag, and the disk not what follows
            (site.layout(name) / "index.json").unlink()
            (site.layout(name) / "index.json").mkdir()
            with pytest.raises(BrokenError):
                await site.push_image(b"layer", tag="v2", name=name)
        (site.layout("other") / "index.json").rmdir()
    async with await Store.open(folder) as store:
        assert await store.contents.tags(NAME) == ["v1", "v2"]
        assert names_in(site.layout("other")) == ["v1", "v2"]
        assert list(await store.upkeep.catch_up()) == [NAME]
        (site.layout() / "index.json").rmdir()
        assert await store.upkeep.catch_up() == {}
        assert names_in(site.layout()) == ["v1", "v2"]


def names_in(layout: Path) -> list[str]:
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    return sorted(one["annotations"][build.TAG] for one in entries)
