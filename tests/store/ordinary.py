"""Uploads of a process without root's rights, as in the cluster; run by test_uploads.py.

    python -m tests.store.ordinary FOLDER

Root may write to a file whose mode forbids it, so what a mode makes impossible is seen only by others.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from registry_gateway.store.errors import ReadOnlyError, UploadUnknownError
from registry_gateway.store.store import Store
from registry_gateway.store.uploads import path_of
from tests.store.site import DAY, NAME, Clock, Site, digest

NOBODY = 65534
BODY = b"layer" * 1000


async def pause(site: Site) -> str:
    """An upload that has all its bytes."""
    upload = await site.store.uploads.start(NAME)
    async with await site.store.uploads.resume(NAME, upload, offset=0) as session:
        await session.write(BODY)
    return upload


async def pause_sealed(site: Site) -> str:
    """One whose process was killed in a commit, between seal and place."""
    upload = await pause(site)
    path_of(site.store._home.paths, upload).chmod(0o440)
    return upload


async def finish(site: Site, upload: str) -> None:
    async with await site.store.uploads.resume(NAME, upload, offset=len(BODY)) as session:
        await session.commit(digest(BODY))


async def a_commit_that_failed_is_repeated(site: Site) -> None:
    upload = await pause(site)
    room = site.file(digest(BODY)).parent
    mode = room.stat().st_mode
    room.chmod(0o500)
    try:
        await finish(site, upload)
        raise AssertionError("the blob has got its place")
    except ReadOnlyError:
        room.chmod(mode)
    await finish(site, upload)
    assert await site.read(digest(BODY)) == BODY
    assert site.file(digest(BODY)).stat().st_mode & 0o777 == 0o440


async def what_a_killed_process_sealed_goes_on_and_ends(site: Site) -> None:
    await finish(site, await pause_sealed(site))
    cancelled = await pause_sealed(site)
    await site.store.uploads.cancel(NAME, cancelled)
    try:
        await site.store.uploads.offset(NAME, cancelled)
        raise AssertionError("it goes on")
    except UploadUnknownError:
        pass
    await pause_sealed(site)
    site.clock.pass_(DAY)
    assert await site.store.uploads.expire(older=3600) == 1
    assert site.leftovers() == []


async def one_that_cannot_be_ended_keeps_no_other(site: Site) -> None:
    bad = path_of(site.store._home.paths, await pause(site))
    bad.chmod(0)
    for _ in range(4):
        await pause(site)
    site.clock.pass_(DAY)
    try:
        await site.store.uploads.expire(older=3600)
        raise AssertionError("nobody is told of the one that stays")
    except ReadOnlyError:
        assert site.leftovers() == [bad.name]
    bad.chmod(0o600)
    assert await site.store.uploads.expire(older=3600) == 1


async def main(folder: Path) -> None:
    clock = Clock()
    async with await Store.open(folder, now=clock) as store:
        site = Site(folder, store, clock)
        await a_commit_that_failed_is_repeated(site)
        await what_a_killed_process_sealed_goes_on_and_ends(site)
        await one_that_cannot_be_ended_keeps_no_other(site)


if __name__ == "__main__":
    own = Path(sys.argv[1])
    if os.geteuid() == 0:
        os.chown(own, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    asyncio.run(main(own))
