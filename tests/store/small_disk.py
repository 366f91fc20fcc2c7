"""A store on a disk of 4 MB that becomes full, then read-only; run by test_disk.py in a mount namespace of its own.

python -m tests.store.small_disk FOLDER
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from registry_gateway.store.errors import BrokenError, NoSpaceError, ReadOnlyError
from registry_gateway.store.store import Store
from tests.store import site as build
from tests.store.site import MANIFEST, NAME, Clock, Site, digest

OF_SQLITE = 32 * 1024  # bytes; without so much for the memory that its processes share no index can be opened


async def raises(kind: type[Exception], work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


async def full(folder: Path) -> None:
    """Nothing more goes in, nothing is half there, reading goes on, eviction makes room."""
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        image = await site.push_image(b"x" * 1_000_000, tag="v1")
        before = site.on_disk()
        await raises(NoSpaceError, site.push_blob(b"y" * 5_000_000))
        claim = await store.fetches.claim(NAME, digest(b"z" * 5_000_000))
        assert claim is not None
        async with claim:
            await claim.begin(5_000_000)
            growing = await store.fetches.follow(digest(b"z" * 5_000_000))
            assert growing is not None
            await claim.write(b"z" * 5_000_000)
            await raises(NoSpaceError, claim.commit())
            growing.close()
        assert (site.on_disk(), site.leftovers()) == (before, []), "what had no room does not keep the disk full"
        fill(folder / "filler")
        manifest = build.manifest(build.config("v1"), [b"x" * 1_000_000], annotations={"a": "b" * 100_000})
        await raises(NoSpaceError, store.changes.put_manifest(NAME, manifest, MANIFEST, tag="v1"))
        document = json.loads((site.layout() / "index.json").read_bytes())
        assert [one["digest"] for one in document["manifests"]] == [image]
        assert (await store.contents.manifest(NAME, "v1")).digest == image
        assert (await store.contents.has_blob(NAME, digest(b"x" * 1_000_000))).size == 1_000_000
        assert await site.read(digest(b"x" * 1_000_000)) == b"x" * 1_000_000
        removed = await store.upkeep.evict(size=0, protected={image})
        assert digest(b"x" * 1_000_000) in removed.digests
        await site.push_image(b"small", tag="v2")
        (folder / "filler").unlink()
        assert await store.upkeep.check_index()
        shutil.copytree(folder, folder / "crashed", symlinks=True)  # with a log that nobody has cleared away


async def behind(folder: Path) -> None:
    """A layout that had no room keeps nobody from opening the store, and is written once eviction has made some."""
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        needed = {*await store.contents.needs(NAME, "v1"), *await store.contents.needs(NAME, "v2")}
        await site.push_image(b"o" * 100_000, tag="o1", name="other")
        index = site.layout("other") / "index.json"
        index.unlink()
        index.mkdir()
        await raises(BrokenError, site.push_image(b"o" * 100_000, tag="o2", name="other"))
        index.rmdir()
    fill(folder / "filler")
    os.truncate(folder / "filler", (folder / "filler").stat().st_size - OF_SQLITE)
    async with await Store.open(folder) as store:
        assert await store.contents.tags("other") == ["o1", "o2"]
        (error,) = (await store.upkeep.catch_up()).values()
        assert isinstance(error, NoSpaceError)
        assert (await store.upkeep.evict(size=0, protected=needed)).digests
        assert await store.upkeep.catch_up() == {}
    (folder / "filler").unlink()


async def read_only(folder: Path) -> None:
    """Everything can be read, nothing is written."""
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        assert await store.contents.tags(NAME) == ["v1", "v2"]
        assert await site.read(digest(b"small")) == b"small"
        assert (await store.contents.has_blob(NAME, digest(b"small"))).size == 5
        await store.contents.manifest(NAME, "v2")
        await raises(ReadOnlyError, site.push_blob(b"more"))
        await raises(ReadOnlyError, store.changes.delete_tag(NAME, "v2"))
        await raises(ReadOnlyError, store.fetches.claim(NAME, digest(b"other")))


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (100_000, 1):
            try:
                while True:
                    file.write(b"f" * size)
            except OSError:
                continue


def main(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    asyncio.run(full(folder))
    asyncio.run(behind(folder))
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    assert (folder / "crashed" / "index.sqlite-wal").stat().st_size
    for place in (folder, folder / "crashed"):
        asyncio.run(read_only(place))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
