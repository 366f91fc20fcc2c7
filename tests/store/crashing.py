"""Kills a process at every step of its work with a store, and looks at what it left; run by test_crash.py.

    python -m tests.store.crashing FOLDER

A step is a call that changes the disk, or a statement that changes the index. Child number k is killed before its
step k, by the kernel; the last child gets to its end. Prints the number of children as JSON, or fails.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from registry_gateway.store.plan import Keep
from registry_gateway.store.scrub import Verdict
from registry_gateway.store.store import Store
from tests.store import site as build
from tests.store.site import DAY, MANIFEST, NAME, Clock, Site, digest

FIRST, SECOND, FETCHED = b"layer of the first", b"layer of the second" * 1000, b"fetched" * 1000
IMAGE, OTHER = build.manifest(build.config("v1"), [FIRST]), build.manifest(build.config("v2"), [SECOND])
OF_IMAGE = {digest(IMAGE), digest(build.config("v1")), digest(FIRST)}
OF_OTHER = {digest(OTHER), digest(build.config("v2")), digest(SECOND)}

# What is acknowledged, in order: the tags and the content that must be there from then on, until the next.
STAGES: list[tuple[str, dict[str, str], set[str]]] = [
    ("start", {"v1": digest(IMAGE)}, OF_IMAGE),
    ("chunk", {"v1": digest(IMAGE)}, OF_IMAGE),
    ("blobs", {"v1": digest(IMAGE)}, OF_IMAGE | OF_OTHER - {digest(OTHER)}),
    ("image", {"v1": digest(IMAGE), "v2": digest(OTHER)}, OF_IMAGE | OF_OTHER),
    ("moved", {"v1": digest(IMAGE), "v2": digest(IMAGE)}, OF_IMAGE | OF_OTHER),
    ("untagged", {"v2": digest(IMAGE)}, OF_IMAGE | OF_OTHER),
    ("fetched", {"v2": digest(IMAGE)}, OF_IMAGE | OF_OTHER | {digest(FETCHED)}),
    ("collected", {"v2": digest(IMAGE)}, OF_IMAGE),
]
CHANGES = ("open", "pwrite", "write", "fsync", "fchmod", "rename", "replace", "unlink", "mkdir", "symlink", "rmdir")
STATEMENTS = ("BEGIN IMMEDIATE", "COMMIT", "INSERT", "UPDATE", "DELETE")


async def prepare(folder: Path) -> None:
    async with await Store.open(folder, now=Clock()) as store:
        await Site(folder, store, Clock()).push_image(FIRST, tag="v1")


async def work(folder: Path, reached: Callable[[str], None]) -> None:
    clock = Clock()
    async with await Store.open(folder, now=clock) as store:
        site = Site(folder, store, clock)
        upload = await store.uploads.start(NAME)
        async with await store.uploads.resume(NAME, upload, offset=0) as session:
            await session.write(SECOND[:5000])
        reached("chunk")
        async with await store.uploads.resume(NAME, upload, offset=5000) as session:
            await session.write(SECOND[5000:])
            await session.commit(digest(SECOND))
        await site.push_blob(build.config("v2"))
        reached("blobs")
        await store.changes.put_manifest(NAME, OTHER, MANIFEST, tag="v2")
        reached("image")
        await store.changes.put_manifest(NAME, IMAGE, MANIFEST, tag="v2")
        reached("moved")
        await store.changes.delete_tag(NAME, "v1")
        reached("untagged")
        claim = await store.fetches.claim("cache", digest(FETCHED))
        assert claim is not None
        async with claim:
            await claim.begin(len(FETCHED))
            await claim.write(FETCHED)
            await claim.commit()
        reached("fetched")
        clock.pass_(DAY)
        await store.upkeep.collect(Keep())
        reached("collected")


async def judge(folder: Path, reached: str) -> None:
    """Raise AssertionError unless everything acknowledged is there, whole, and nothing else looks as if it were."""
    number = [name for name, _, _ in STAGES].index(reached)
    possible = STAGES[number : number + 2]
    judge_files(folder)
    async with await Store.open(folder, now=Clock()) as store:
        site = Site(folder, store, Clock())
        tags = {tag: (await store.contents.manifest(NAME, tag)).digest for tag in await store.contents.tags(NAME)}
        assert tags in [found for _, found, _ in possible], (tags, reached)
        must = set.intersection(*(content for _, _, content in possible))
        assert must <= site.on_disk(), (must - site.on_disk(), reached)
        for wanted in OF_IMAGE:
            assert await site.read(wanted), wanted
        document = json.loads((site.layout() / "index.json").read_bytes())
        entries = document["manifests"]
        named = {one["annotations"][build.TAG]: one["digest"] for one in entries if build.TAG in one["annotations"]}
        assert named == tags, (named, tags)
        assert all(site.file(one["digest"]).exists() for one in document["manifests"])
        assert [name for name in site.leftovers() if not name.startswith("upload-")] == []
        assert await store.upkeep.check_index()
        if reached != "fetched":  # the collection, where files go before their rows
            assert {one.verdict async for one in store.upkeep.scrub(rate=10**9)} == {Verdict.GOOD}


def judge_files(folder: Path) -> None:
    """What other programs would read now, before anybody has opened the store again."""
    for path in (folder / "blobs").glob("*/*"):
        assert hashlib.new(path.parent.name, path.read_bytes()).hexdigest() == path.name, path
    layout = folder / "repositories" / NAME.replace("/", "+")
    for one in json.loads((layout / "index.json").read_bytes())["manifests"]:
        assert (layout / "blobs" / one["digest"].replace(":", "/")).stat().st_size == one["size"]


def main(folder: Path) -> int:
    base, acknowledged = folder / "base", folder / "acknowledged"
    asyncio.run(prepare(base))
    for limit in range(100_000):
        place = folder / "work"
        shutil.copytree(base, place, symlinks=True)
        acknowledged.write_text("start\n")
        child = os.fork()
        if child == 0:
            run_child(place, acknowledged, limit)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL), f"child {limit} ended with {status}"
        reached = acknowledged.read_text().split()[-1]
        try:
            asyncio.run(judge(place, reached))
        except BaseException as error:
            raise AssertionError(f"killed before step {limit}, after {reached}") from error
        shutil.rmtree(place)
        if status == 0:
            print(json.dumps({"children": limit + 1, "reached": reached}))
            return 0
    return 1


def run_child(place: Path, acknowledged: Path, limit: int) -> None:
    with acknowledged.open("a") as log:

        def reached(stage: str) -> None:
            print(stage, file=log, flush=True)

        try:
            killed_before(limit)
            asyncio.run(work(place, reached))
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)


def killed_before(limit: int) -> None:
    """Have this process killed before its step number `limit`."""
    count = 0

    def step() -> None:
        nonlocal count
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if function.__name__ != "open" or args[1] & os.O_CREAT:
                step()
            return function(*args, **kwargs)

        return call

    class Counted(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql.lstrip().startswith(STATEMENTS):
                step()
            return super().execute(sql, *args)

    for name in CHANGES:
        setattr(os, name, counted(getattr(os, name)))
    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **kwargs: connect(*args, factory=Counted, **kwargs)  # type: ignore[assignment]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
