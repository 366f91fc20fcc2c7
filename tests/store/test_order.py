"""The order that a power cut needs: content before its name, its name before the index, the index before the layout."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_gateway.store.store import Store
from tests.store.site import NAME, Clock, Site, digest


class Recorder:
    """Notes what reaches the disk, as (what, which path below the folder); commits only if they are synced."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[str, str]] = []
        self._folder = folder
        fsync, rename, replace, connect = os.fsync, os.rename, os.replace, sqlite3.connect

        def sync(descriptor: int) -> None:
            fsync(descriptor)
            self.note("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink()))

        def move(function: Callable[..., None]) -> Callable[[Path, Path], None]:
            def call(source: Path, target: Path) -> None:
                self.note("move", str(source))
                function(source, target)

            return call

        recorder = self

        class Recorded(sqlite3.Connection):
            full = False

            def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
                result = super().execute(sql, *args)
                if sql.startswith("PRAGMA synchronous"):
                    self.full = sql.endswith("FULL")
                elif sql == "COMMIT" and self.full:
                    recorder.note("commit", str(folder / "index.sqlite"))
                return result

        patch.setattr(os, "fsync", sync)
        patch.setattr(os, "rename", move(rename))
        patch.setattr(os, "replace", move(replace))
        patch.setattr(sqlite3, "connect", lambda *args, **kwargs: connect(*args, factory=Recorded, **kwargs))

    def note(self, what: str, path: str) -> None:
        name = Path(path).relative_to(self._folder)
        self.events.append((what, str(name.parent if what != "commit" and Path(path).is_file() else name)))


async def test_a_push_reaches_the_disk_in_the_order_that_a_power_cut_needs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await Store.open(folder) as store:  # folders and the first layout are made without being watched
        await Site(folder, store, Clock()).push_image(b"first", tag="v1")
    recorder = Recorder(folder, monkeypatch)
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        recorder.events.clear()
        await site.push_blob(b"layer")
        stored = [("sync", "incoming"), ("move", "incoming"), ("sync", "blobs/sha256"), ("commit", "index.sqlite")]
        assert recorder.events == stored
        recorder.events.clear()
        await site.push_image(b"layer", tag="v2")
        layout = f"repositories/{NAME.replace('/', '+')}"
        published = [("sync", layout), ("move", layout), ("sync", layout)]
        assert recorder.events[-7:] == [*stored, *published]
        assert await site.read(digest(b"layer")) == b"layer"
