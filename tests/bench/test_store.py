"""The bench of the store on small inputs: that it measures what it says."""

from __future__ import annotations

from pathlib import Path

from bench import store


def test_a_small_store_gives_every_row(tmp_path: Path) -> None:
    rows = {one.name: one for one in store.bench(lambda _: None, folder=tmp_path, manifests=30, blobs=10, large=2**20)}
    assert len(rows) == 16
    assert all(one.value > 0 for name, one in rows.items() if not name.endswith(".cpu"))
    assert rows["store.many.peak_rss"].value < 100, "of the process that opens it, not of this one"
