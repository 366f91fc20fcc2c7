"""The image check over many images: nothing is asked twice, and what may be under way is under way."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from registry_gateway.check.rounds import Rounds
from registry_gateway.check.walk import PARALLEL
from registry_gateway.config import Check, Image, Upstream
from registry_gateway.sources.upstream import UpstreamSource
from tests.gateway.material import Material
from tests.gateway.serving import PATIENT
from tests.support.gateway import config, gateway, upstream, wait_until
from tests.support.image_registry import ImageRegistry

IMAGES, LAYERS = 100, 10


async def test_many_images_take_about_the_round_trips_that_their_requests_need() -> None:
    registry = ImageRegistry(images=IMAGES, layers=LAYERS, full=PARALLEL)
    found: list[tuple[int, int]] = []  # requests so far, images checked
    async with registry:
        source = UpstreamSource(Upstream("id", "http", registry.address, "deckhouse/ee"), deadlines=PATIENT)
        images = tuple(Image(f"image-{number:03}", digest) for number, digest in enumerate(registry.images))
        rounds = Rounds(
            Check("c1", source.upstream, images),
            source,
            lambda: found.append((registry.asked.total(), rounds.progress.checked)),
        )
        await rounds.round(rounds.progress.references)
        await source.close()
    assert registry.asked == registry.expected
    assert rounds.requests == registry.asked.total()
    assert registry.most <= PARALLEL
    assert registry.asked.total() / registry.trips >= 0.7 * PARALLEL
    status = rounds.progress.status()
    assert (status["complete"], status["present"], status["errorCount"]) == (True, IMAGES, 0)
    # Image after image, not all of them at the end.
    assert [checked for _, checked in found] == list(range(1, IMAGES + 1))
    half = next(checked for asked, checked in found if asked >= registry.asked.total() / 2)
    assert IMAGES / 4 <= half <= IMAGES * 3 / 4


async def test_a_gateway_asks_only_for_what_is_new_when_the_list_of_images_changes(
    material: Material, folder: Path
) -> None:
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(ImageRegistry(images=12, layers=3, full=2))
        there = upstream(registry.address, scheme="http")

        def files(version: str, *digests: str) -> dict[str, str]:
            images = [{"name": digest[-8:], "reference": digest} for digest in digests]
            check = {"version": version, "upstream": there, "images": images}
            return material.files(config([there], version=version, check=check))

        started = gateway(folder, files("v1", *registry.images[:8]), workers=1, options=["--check-parallel", "2"])
        running = await asyncio.to_thread(started.__enter__)
        stack.push_async_callback(asyncio.to_thread, started.__exit__, None, None, None)

        async def until_present(count: int) -> None:
            await asyncio.to_thread(
                wait_until,
                lambda: running.metric("registry_images_present") == count,
                what=f"{count} images", seconds=60, log=running.log,
            )  # fmt: skip

        await until_present(8)
        running.secret.write(files("v2", *registry.images[4:]))
        await asyncio.to_thread(running.wait_for_version, "v2")
        await until_present(8)
        await asyncio.to_thread(
            wait_until, lambda: registry.asked.keys() == registry.expected.keys(), what="all images", seconds=60
        )
    once = {asked: times for asked, times in registry.asked.items() if asked[1] != "/v2/"}
    # Layers that images of both lists share are asked for in both rounds.
    assert {times for (method, _), times in once.items() if method == "GET"} == {1}
    assert registry.most <= 2 + 2  # the check, beside it the probes of either configuration
