"""`collect` at a terminal: first what would go, then that it goes; and what it cannot do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from registry_gateway.store.store import Store
from tests.gateway.at_terminal import Terminal
from tests.gateway.material import Material
from tests.gateway.stores import release
from tests.store.site import DAY, NAME, Clock, Site
from tests.support.gateway import config


def document(*references: str, **store: object) -> str:
    images = [{"name": "image", "reference": one} for one in references]
    made = json.loads(config([], check={"version": "c1", "upstream": None, "images": images}))
    return json.dumps({**made, "store": {"role": "copy", "keepReleases": 1, **store}})


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A data directory with two releases of three days ago, and an image that none of them lists."""
    folder, clock = tmp_path / "data", Clock()
    clock.seconds = time.time() - 3 * DAY
    folder.mkdir()
    async with await Store.open(folder, now=clock) as store:
        site = Site(folder, store, clock)
        old, new = [await site.push_image(label, label=label.decode()) for label in (b"old", b"new")]
        await release(site, "v1.69.0", [old])
        await release(site, "v1.70.0", [new])
    return folder


def blobs(data: Path) -> set[Path]:
    return set((data / "blobs").glob("*/*"))


async def ask(terminal: Terminal, data: Path, *arguments: str) -> Any:
    return await terminal.json("collect", "--data", str(data), *arguments)


async def test_a_dry_run_lists_what_goes_next_and_the_run_removes_it(
    terminal: Terminal, material: Material, data: Path
) -> None:
    terminal.configure(material.files(document("v1.70.0")))
    before = blobs(data)
    told = await ask(terminal, data, "--dry-run")
    assert (terminal.code, told["dryRun"], told["removed"], told["keptBack"]) == (0, True, None, "")
    assert [(one["repository"], one["tag"]) for one in told["tags"]] == [(NAME, "v1.69.0")]
    [untagged] = told["manifests"]
    assert untagged["bytes"] > len(b"old")
    assert blobs(data) == before
    text = await terminal.run("collect", "--data", str(data), "--dry-run")
    assert f"{NAME}:v1.69.0 sha256:" in text
    assert f"{NAME}@{untagged['digest']}" in text
    assert f"1 tags, {told['blobs']} blobs" in text
    done = await ask(terminal, data)
    assert done["removed"] == {"blobs": told["blobs"], "bytes": told["bytes"], "busy": 0}
    gone = before - blobs(data)
    assert len(gone) == told["blobs"]
    assert (await ask(terminal, data, "--dry-run"))["blobs"] == 0


async def test_what_is_kept_back_is_told_and_is_no_success(terminal: Terminal, material: Material, data: Path) -> None:
    terminal.configure(material.files(document()))
    told = await ask(terminal, data)
    assert (terminal.code, told["blobs"], told["removed"]["blobs"]) == (1, 0, 0)
    assert "kept back: nothing is removed" in await terminal.run("collect", "--data", str(data), "--dry-run")


async def test_only_a_copy_is_collected(terminal: Terminal, material: Material, data: Path) -> None:
    for text in (document("v1.70.0", role="cache"), config([])):
        terminal.configure(material.files(text))
        assert "store.role" in (await ask(terminal, data))["configError"]
        assert terminal.code == 2


async def test_without_a_store_there_is_none_made(terminal: Terminal, material: Material, tmp_path: Path) -> None:
    terminal.configure(material.files(document("v1.70.0")))
    assert "--data" in (await ask(terminal, tmp_path / "nowhere"))["configError"]
    assert not (tmp_path / "nowhere").exists()
    file = tmp_path / "file"
    file.touch()
    assert "--data" in await terminal.run("collect", "--data", str(file))
