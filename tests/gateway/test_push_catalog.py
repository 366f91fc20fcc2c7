"""The list of repositories."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.material import Material
from tests.gateway.pushing import Pushing, pushing
from tests.store.site import NAME

OURS = [NAME, f"{NAME}/install", f"{NAME}/modules/a", f"{NAME}/modules/b"]


@pytest.fixture
async def push(material: Material, folder: Path) -> AsyncIterator[Pushing]:
    async with pushing(material, folder) as served:
        for name in (*OURS, "other", f"{NAME}-x", f"{NAME}0"):  # the store itself knows no alias
            upload = await served.store.uploads.start(name)
            async with await served.store.uploads.resume(name, upload) as session:
                await session.commit("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        yield served


@pytest.mark.parametrize("user", ["ro", "rw"])
async def test_names_below_the_alias_are_listed(push: Pushing, user: str) -> None:
    listed = await push.ask("GET", "/v2/_catalog", user=user)
    assert (listed.status, json.loads(listed.body)) == (200, {"repositories": OURS})
    assert "Link" not in listed.headers


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
async def test_pages_lead_to_all_of_them(push: Pushing, size: int) -> None:
    found, path = [], f"/v2/_catalog?n={size}"
    while path:
        page = await push.ask("GET", path)
        names = json.loads(page.body)["repositories"]
        assert 0 < len(names) <= size
        found += names
        path = page.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert found == OURS


@pytest.mark.parametrize(
    ("query", "names"), [("n=0", []), (f"last={OURS[1]}", OURS[2:]), ("last=zzz", []), ("last=a&n=1", OURS[:1])]
)
async def test_a_page_begins_behind_last(push: Pushing, query: str, names: list[str]) -> None:
    listed = await push.ask("GET", f"/v2/_catalog?{query}")
    assert json.loads(listed.body) == {"repositories": names}


@pytest.mark.parametrize("query", ["n=x", "n=-1", "n=", "n=1.5", "last=" + "x" * 2100, "&".join("abcdefghijklmnopq")])
async def test_a_query_that_makes_no_sense_is_refused(push: Pushing, query: str) -> None:
    refused = await push.ask("GET", f"/v2/_catalog?{query}")
    assert (refused.status, refused.code) == (400, "UNSUPPORTED")
