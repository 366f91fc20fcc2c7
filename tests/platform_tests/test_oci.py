"""The writer of layers and layouts, and the cache that keeps what was built."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from tools.oci.cache import cached, key_of
from tools.oci.layers import Entry, filter_layer, tree, write_layer
from tools.oci.layout import Layout, named_digests, pack

ENTRIES = [Entry("b", b"two", mode=0o644), Entry("a"), Entry("a/link", link="../b")]


def members(tar: Path) -> list[tuple[str, int, str]]:
    with tarfile.open(tar) as archive:
        return [(member.name, member.mode, member.linkname) for member in archive]


def test_layer_is_sorted_and_the_same_for_any_order_of_entries(tmp_path: Path) -> None:
    write_layer(tmp_path / "1.tar", ENTRIES)
    write_layer(tmp_path / "2.tar", reversed(ENTRIES))
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert members(tmp_path / "1.tar") == [("a", 0o755, ""), ("a/link", 0o777, "../b"), ("b", 0o644, "")]


def test_tree_ignores_times_and_owners_but_keeps_links_and_execution(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "run").write_text("#!")
    (folder / "sub" / "run").chmod(0o700)
    (folder / "link").symlink_to("sub/run")
    os.utime(folder / "sub" / "run", (1, 1))
    write_layer(tmp_path / "layer.tar", tree(folder, below="opt/x"))
    assert members(tmp_path / "layer.tar") == [
        ("opt", 0o755, ""),
        ("opt/x", 0o755, ""),
        ("opt/x/link", 0o777, "sub/run"),
        ("opt/x/sub", 0o755, ""),
        ("opt/x/sub/run", 0o755, ""),
    ]


def test_filter_drops_what_is_not_wanted_and_adds_extras(tmp_path: Path) -> None:
    write_layer(tmp_path / "old.tar", ENTRIES)
    filter_layer(tmp_path / "old.tar", tmp_path / "new.tar", wanted=lambda path: path != "b", extra=[Entry("c", b"3")])
    assert [name for name, _, _ in members(tmp_path / "new.tar")] == ["a", "a/link", "c"]


def test_layout_names_images_and_every_blob_has_its_digest(tmp_path: Path) -> None:
    write_layer(tmp_path / "layer.tar", ENTRIES)
    layer = pack(tmp_path / "layer.tar", tmp_path)
    layout = Layout(tmp_path / "layout")
    platforms = [layout.image([layer], architecture=machine, config={}) for machine in ("amd64", "arm64")]
    digest = layout.name(layout.index(platforms), "v1")
    layout.close()
    blobs = tmp_path / "layout" / "blobs" / "sha256"
    assert named_digests(tmp_path / "layout") == {"v1": digest}
    assert len(list(blobs.iterdir())) == 1 + 2 + 2 + 1  # layer, configurations, manifests, index
    assert all(key_for(blob) == blob.name for blob in blobs.iterdir())
    index = json.loads((blobs / digest.removeprefix("sha256:")).read_text())
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]


def key_for(blob: Path) -> str:
    return hashlib.sha256(blob.read_bytes()).hexdigest()


def test_key_differs_by_content_path_and_position(tmp_path: Path) -> None:
    for name, content in (("1", "a"), ("2", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(content)
    keys = {key_of(tmp_path / "1"), key_of(tmp_path / "2"), key_of("ab", "c"), key_of("a", "bc"), key_of("abc")}
    assert len(keys) == 5


def test_cached_folder_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_MODULE_CACHE", str(tmp_path))
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "result").write_text("done")

    first, second = (cached("group/thing", "key", make) for _ in range(2))
    assert (first, len(made), (second / "result").read_text()) == (tmp_path / "group" / "thing-key", 1, "done")


def test_failed_build_leaves_nothing_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_MODULE_CACHE", str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        cached("group/thing", "key", fail)
    assert list((tmp_path / "group").iterdir()) == []
