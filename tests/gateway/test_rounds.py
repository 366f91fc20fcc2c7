"""The image check over all images: what is told, how much is asked at a time, and what is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from registry_gateway.check import rounds as rounds_module
from registry_gateway.check.progress import ERRORS_SHOWN
from registry_gateway.check.rounds import Rounds
from registry_gateway.check.walk import PARALLEL
from registry_gateway.config import Check, Image
from registry_gateway.sources.base import ignore
from registry_gateway.sources.upstream import UpstreamSource
from tests.gateway.serving import PATIENT, QUICK
from tests.gateway.store import Store
from tests.support.fault_server import Asked, Reply


def check_of(source: UpstreamSource, *references: str) -> Check:
    images = tuple(Image(f"image-{number:03}", reference) for number, reference in enumerate(references))
    return Check("c1", source.upstream, images)


class Followed:
    """Rounds that run, and a way to wait for what they find."""

    def __init__(self, check: Check, source: UpstreamSource, **options: Any) -> None:
        self._changed = asyncio.Event()
        self.rounds = Rounds(check, source, self._changed.set, **options)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.rounds.run())
        yield
        task.cancel()
        await asyncio.wait([task])

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_complete(self) -> None:
        await self.until(lambda: bool(self.rounds.progress.status()["complete"]))


async def test_a_round_tells_what_is_there_and_the_first_errors_by_name() -> None:
    store = Store()
    digest = store.image()["digest"]
    missing = ["sha256:" + f"{number:064x}" for number in range(8)]
    async with store.source() as source:
        rounds = Rounds(check_of(source, digest, *missing), source, ignore)
        await rounds.round(rounds.progress.references)
    status = rounds.progress.status()
    assert {key: status[key] for key in ("version", "total", "checked", "present", "complete", "errorCount")} == {
        "version": "c1",
        "total": 9,
        "checked": 9,
        "present": 1,
        "complete": True,
        "errorCount": 8,
    }
    assert [error["image"] for error in status["errors"]] == [
        f"image-{number:03}" for number in range(1, 1 + ERRORS_SHOWN)
    ]
    assert status["errors"][0]["reason"] == "NotFound"


@pytest.mark.parametrize("probe", [Reply(401, {"WWW-Authenticate": "Basic realm=x"}), Reply(silent=True)])
async def test_when_nothing_can_work_no_image_is_asked_for(probe: Reply) -> None:
    store = Store()
    store.replies["/v2/"] = probe
    async with store.source(QUICK if probe.silent else PATIENT) as source:
        rounds = Rounds(check_of(source, "v1", "v2"), source, ignore)
        await rounds.round(rounds.progress.references)
    assert {one.path for one in store.server.asked} == {"/v2/"}
    status = rounds.progress.status()
    assert (status["complete"], status["errorCount"]) == (True, 2)


async def test_no_more_is_asked_at_a_time_than_allowed() -> None:
    store, gate, full = Store(), asyncio.Event(), asyncio.Event()
    images = [store.image(f"layer {number}".encode())["digest"] for number in range(30)]
    for path, (media_type, body) in store.content.items():
        store.replies[path] = Reply(200, {"Content-Type": media_type}, body, hold=gate)

    def behaviour(asked: Asked) -> Reply:
        if len(store.server.asked) == 1 + PARALLEL:
            full.set()
        return store.behaviour(asked)

    store.server.behaviour = behaviour
    async with store.source() as source:
        rounds = Rounds(check_of(source, *images), source, ignore)
        running = asyncio.create_task(rounds.round(rounds.progress.references))
        async with asyncio.timeout(10):
            await full.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(store.server.asked) == 1 + PARALLEL
        gate.set()
        await running
    assert rounds.progress.status()["present"] == 30


async def test_an_image_that_appears_is_found_in_the_next_round() -> None:
    store = Store()
    async with store.source() as source:
        rounds = Rounds(check_of(source, "v1"), source, ignore)
        await rounds.round(rounds.progress.references)
        assert rounds.progress.status()["present"] == 0
        store.image(tag="v1")
        await rounds.round([image.reference for image, _ in rounds.progress.failed])
    assert rounds.progress.status()["present"] == 1


async def test_two_names_of_one_image_are_two_images_that_are_asked_for_once() -> None:
    store = Store()
    digest = store.image()["digest"]
    async with store.source() as source:
        rounds = Rounds(check_of(source, digest, digest), source, ignore)
        await rounds.round(rounds.progress.references)
    assert (rounds.progress.status()["total"], rounds.progress.status()["present"]) == (2, 2)
    assert store.asked("GET") == ["/v2/", f"manifests/{digest}"]


async def test_a_changed_list_asks_only_for_the_images_that_are_new() -> None:
    store = Store()
    old, gone, new = (store.image(layer)["digest"] for layer in (b"old", b"gone", b"new"))
    async with store.source() as source:
        first = Followed(check_of(source, old, gone), source)
        async with first.running():
            await first.until_complete()
        store.server.asked.clear()
        second = Followed(check_of(source, new, old), source, before=first.rounds)
        known = second.rounds.progress.status()
        assert (known["total"], known["checked"], known["complete"]) == (2, 1, False)
        async with second.running():
            await second.until_complete()
    assert store.asked("GET") == ["/v2/", f"manifests/{new}"]
    assert second.rounds.progress.status()["present"] == 2


async def test_a_check_that_was_interrupted_goes_on_with_what_stood_open() -> None:
    store = Store()
    one, two = store.image(b"one")["digest"], store.image(b"two")["digest"]
    async with store.source() as source:
        first = Rounds(check_of(source, one, two), source, ignore)
        await first.round([one])
        store.server.asked.clear()
        second = Followed(check_of(source, one, two), source, before=first)
        async with second.running():
            await second.until_complete()
    assert store.asked("GET") == ["/v2/", f"manifests/{two}"]


async def test_nothing_that_another_source_said_is_kept() -> None:
    store, digest = Store(), ""
    digest = store.image()["digest"]
    async with store.source() as source:
        first = Rounds(check_of(source, digest), source, ignore)
        await first.round([digest])
        other = UpstreamSource(source.upstream)
        assert Rounds(check_of(other, digest), other, ignore, before=first).progress.status()["checked"] == 0
        await other.close()


async def test_all_images_are_asked_for_again_however_often_the_list_changes() -> None:
    store, clock = Store(), [1.0]
    digest = store.image()["digest"]
    async with store.source() as source:
        first = Followed(check_of(source, digest), source, clock=lambda: clock[-1])
        async with first.running():
            await first.until_complete()
        between = Rounds(check_of(source, digest), source, ignore, before=first.rounds, clock=lambda: clock[-1])
        store.content.clear()
        clock.append(1.0 + rounds_module.ALL_EVERY)
        second = Followed(check_of(source, digest), source, before=between, clock=lambda: clock[-1])
        async with second.running():
            await second.until(lambda: second.rounds.progress.status()["present"] == 0)


async def test_all_images_are_asked_for_again_when_the_time_comes_amid_those_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds_module, "FAILED_EVERY", 0.01)
    store, clock = Store(), [1.0]
    whole = f"manifests/{store.image()['digest']}"

    def behaviour(asked: Asked) -> Reply:
        if asked.path.endswith("/v1") and "manifests/v1" in store.asked("GET")[:-1]:
            clock[:] = [1.0 + rounds_module.ALL_EVERY]
        return store.behaviour(asked)

    store.server.behaviour = behaviour
    async with store.source() as source:
        check = check_of(source, whole.removeprefix("manifests/"), "v1")
        followed = Followed(check, source, clock=lambda: clock[0])
        async with followed.running():
            await followed.until(lambda: store.asked("GET").count(whole) == 2)


async def test_what_failed_is_asked_for_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds_module, "FAILED_EVERY", 0.01)
    store = Store()
    whole = store.image(b"whole")["digest"]
    async with store.source() as source:
        followed = Followed(check_of(source, whole, "v1"), source)
        async with followed.running():
            await followed.until_complete()
            store.image(b"late", tag="v1")
            await followed.until(lambda: followed.rounds.progress.status()["present"] == 2)
    assert store.asked("GET").count(f"manifests/{whole}") == 1


async def test_a_registry_that_limits_requests_is_left_alone_as_long_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds_module, "FAILED_EVERY", 0.01)
    store = Store()
    store.replies["manifests/v1"] = Reply(429, {"Retry-After": "3600"})
    async with store.source() as source:
        followed = Followed(check_of(source, "v1"), source)
        async with followed.running():
            await followed.until_complete()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await followed.until(lambda: store.asked("GET").count("manifests/v1") > 1)
    [error] = followed.rounds.progress.status()["errors"]
    assert "answered 429" in error["message"]
