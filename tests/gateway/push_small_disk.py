"""Pushes onto a disk of 8 MB that becomes full, then read-only; run by test_push_disk.py in a namespace of its own.

python -m tests.gateway.push_small_disk FOLDER
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import uvloop

from tests.gateway.material import Material
from tests.gateway.pushing import REPOSITORY, UPLOADS, Pushing, Said, pushing
from tests.store import site as build
from tests.store.site import NAME, digest
from tests.store.small_disk import fill

CONFIG, LAYER = build.config("v1"), b"x" * 1_000_000
IMAGE = build.manifest(CONFIG, [LAYER])
LARGE = build.manifest(CONFIG, [LAYER], annotations={"a": "b" * 100_000})
TOO_MUCH = b"y" * 20_000_000


async def full(folder: Path, material: Material) -> None:
    """What has no room is refused as a whole and leaves room for the rest; what is here stays."""
    async with pushing(material, folder) as push:
        for blob in (CONFIG, LAYER):
            await push.blob(blob)
        assert (await push.manifest(IMAGE, "v1")).status == 201
        location = await push.begin()
        for refused in (
            await push.finish(location, digest(TOO_MUCH), TOO_MUCH),
            await push.chunk(await push.begin(), TOO_MUCH),
            await push.ask("POST", UPLOADS, params={"digest": digest(TOO_MUCH)}, data=TOO_MUCH),
        ):
            is_answered(refused, 507, "full")
            assert push.leftovers() == [], "what had no room does not keep the disk full"
        assert (await push.ask("GET", location)).code == "BLOB_UPLOAD_UNKNOWN"
        fill(folder / "filler")
        is_answered(await push.manifest(LARGE, "v1"), 507, "full")
        is_answered(await push.ask("POST", UPLOADS, params={"digest": digest(TOO_MUCH)}, data=TOO_MUCH), 507, "full")
        await is_as_it_was(push)
        (folder / "filler").unlink()
        assert (await push.manifest(LARGE, "v2")).status == 201
        assert (await push.ask("DELETE", f"{REPOSITORY}/manifests/v2")).status == 202


async def read_only(folder: Path, material: Material) -> None:
    """Everything is refused but reading."""
    async with pushing(material, folder) as push:
        for refused in (
            await push.ask("POST", UPLOADS),
            await push.ask("POST", UPLOADS, params={"digest": digest(b"z")}, data=b"z"),
            await push.ask("POST", f"/v2/{NAME}/other/blobs/uploads/", params={"mount": digest(LAYER), "from": NAME}),
            await push.manifest(IMAGE, "v3"),
            await push.ask("DELETE", f"{REPOSITORY}/manifests/v1"),
            await push.ask("DELETE", f"{REPOSITORY}/manifests/{digest(IMAGE)}"),
            await push.ask("DELETE", f"{REPOSITORY}/blobs/{digest(LAYER)}"),
        ):
            is_answered(refused, 503, "cannot be written to")
        await is_as_it_was(push)


async def is_as_it_was(push: Pushing) -> None:
    assert await push.store.contents.tags(NAME) == ["v1"]
    assert (await push.store.contents.manifest(NAME, "v1")).content == IMAGE
    assert push.stored(digest(LAYER)) == LAYER
    assert (await push.ask("GET", "/v2/_catalog", user="ro")).body == b'{"repositories": ["system/deckhouse"]}'


def is_answered(said: Said, status: int, word: str) -> None:
    assert (said.status, said.code) == (status, "UNAVAILABLE"), said
    assert word in said.message


def main(folder: Path) -> None:
    material = Material.make(folder)
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    uvloop.run(full(disk, material))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    uvloop.run(read_only(disk, material))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
