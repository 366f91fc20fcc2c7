"""What tests see of the stores of masters: read from disk as the real store writes it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import cast

import pytest

from registry_gateway.store.store import Store
from tests.platform import replicas
from tests.platform.cluster import Node
from tests.platform.images.fresh import Fresh, fresh

REPOSITORY = "system/deckhouse/team/app"


class Disk:
    """As much of a node as has a data directory."""

    def __init__(self, root: Path) -> None:
        self.name, self._root = root.name, root

    def host_path(self, path: str) -> Path:
        return self._root / path.lstrip("/")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    return fresh(tmp_path_factory.mktemp("image") / "layout", "team/app", "v1")


@pytest.fixture
async def node(tmp_path: Path, image: Fresh) -> Node:
    """A node whose store has the image, by its tag."""
    one = cast(Node, Disk(tmp_path / "one"))
    place = replicas.folder(one)
    place.mkdir(parents=True)
    async with await Store.open(place) as store:
        for manifest in image.manifests():
            for digest in image.blobs(manifest):
                upload = await store.uploads.start(REPOSITORY)
                async with await store.uploads.resume(REPOSITORY, upload) as session:
                    await session.write(image.blob(digest))
                    await session.commit(digest)
            document = image.blob(manifest)
            await store.changes.put_manifest(REPOSITORY, document, json.loads(document)["mediaType"])
        index = image.blob(image.image.digest)
        await store.changes.put_manifest(REPOSITORY, index, json.loads(index)["mediaType"], tag="v1")
    return one


def twin_of(node: Node, tmp_path: Path) -> Node:
    """Another node with a copy of that disk."""
    shutil.copytree(node.host_path("/"), tmp_path / "other", symlinks=True)
    return cast(Node, Disk(tmp_path / "other"))


async def test_names_and_content_of_a_store_are_seen_and_equal_ones_agree(
    node: Node, image: Fresh, tmp_path: Path
) -> None:
    store, other = replicas.folder(node), twin_of(node, tmp_path)
    names = {("", digest) for digest in image.manifests()} | {("v1", image.image.digest)}
    assert {(tag, digest) for _, tag, digest in replicas.held(store)} == names
    assert {repository for repository, _, _ in replicas.held(store)} == {REPOSITORY}
    assert replicas.lacking(store) == set()
    assert replicas.size(store) > 2 * image.size
    assert replicas.agree([node, other])


@pytest.mark.parametrize("kind", ["layer", "manifest"])
async def test_a_replica_without_some_content_does_not_agree_and_is_named(
    node: Node, image: Fresh, tmp_path: Path, kind: str
) -> None:
    other = twin_of(node, tmp_path)
    gone = image.layer if kind == "layer" else image.manifests()[0]
    (replicas.folder(other) / "blobs" / gone.replace(":", "/")).unlink()
    assert replicas.lacking(replicas.folder(other)) == {gone}
    assert not replicas.agree([node, other])
    assert f"other lacks content {[gone]}" in replicas.differences([node, other])


async def test_a_wiped_disk_holds_nothing_and_keeps_its_mount_point(node: Node, tmp_path: Path) -> None:
    other = twin_of(node, tmp_path)
    place = replicas.folder(other)
    before = place.stat().st_ino
    replicas.wipe(other)
    assert not any(place.iterdir())
    assert place.stat().st_ino == before
    assert replicas.held(place) == frozenset()
    assert not replicas.agree([node, other])
    assert not replicas.agree([other]), "two empty disks are no agreement"
