"""The check of the own store: what is not whole, what to do about it, and that a push is seen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from registry_gateway.check.stored import Stored
from registry_gateway.config import Check
from registry_gateway.sources.base import Reason, SourceError, ignore
from registry_gateway.store.errors import NoSpaceError, UnknownError
from registry_gateway.store.store import Store
from tests.gateway.stores import expected, stored
from tests.store.site import NAME, Site


async def check(site: Site, made: Check, **options: Any) -> dict[str, Any]:
    stored_check = Stored(made, NAME, lambda: site.store, ignore, **options)
    await stored_check.round(stored_check.progress.references)
    return stored_check.progress.status()


async def test_the_check_of_the_own_store_tells_what_is_not_whole_and_what_to_do() -> None:
    async with stored() as site:
        whole = await site.push_image(b"layer", tag="v1.70.0")
        missing = "sha256:" + "0" * 64
        status = await check(site, expected(whole, "v1.70.0", missing))
        assert (status["total"], status["checked"], status["present"], status["complete"]) == (3, 3, 2, True)
        [error] = status["errors"]
        assert error["reason"] == "NotFound"
        assert f"{NAME}@{missing} is not in the store" in error["message"]
        assert "push it, or set local.source" in error["message"]
        site.file(whole).unlink()
        with pytest.raises(UnknownError):
            await site.store.contents.manifest(NAME, whole)
        assert (await check(site, expected(whole)))["errors"][0]["message"].startswith(
            f"{NAME}@{whole} is not whole in the store of this replica: 1 of its parts"
        )


async def test_the_check_sees_a_push_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry_gateway.check.stored.MISSING_EVERY", 0.01)
    async with stored() as site:
        changed = asyncio.Event()
        made = Stored(expected("v1.70.0"), NAME, lambda: site.store, changed.set)
        running = asyncio.create_task(made.run())
        async with asyncio.timeout(10):
            await changed.wait()
            changed.clear()
            assert made.progress.status()["errorCount"] == 1
            await site.push_image(b"layer", tag="v1.70.0")
            await changed.wait()
        assert made.progress.status()["present"] == 1
        running.cancel()
        await asyncio.wait([running])


async def test_why_an_image_was_not_copied_is_told_with_it() -> None:
    async with stored() as site:
        reason = SourceError(Reason.UNAUTHORIZED, "registry.example.com answered 401")
        [error] = (await check(site, expected("v1.70.0"), copying=lambda reference: reason))["errors"]  # noqa: ARG005
        assert (error["reason"], error["message"].endswith(reason.message)) == ("Unauthorized", True)


async def test_a_store_that_cannot_be_used_has_no_image_and_one_being_opened_no_verdict() -> None:
    def broken() -> Store:
        raise NoSpaceError("the disk is full")

    for store, complete, errors in ((lambda: None, False, 0), (broken, True, 1)):
        made = Stored(expected("v1.70.0"), NAME, store, ignore)
        await made.round(made.progress.references)
        found = made.progress.status()
        assert (found["complete"], found["errorCount"], found["present"]) == (complete, errors, 0)
