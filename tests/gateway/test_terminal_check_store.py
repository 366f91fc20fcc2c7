"""`check` in modes with a store: what is in it, how full it is, and that nothing is made where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.gateway.at_terminal import Terminal
from tests.gateway.material import Material
from tests.gateway.pushing import configuration
from tests.gateway.stores import stored

ABSENT = "sha256:" + "0" * 64


def copy(*references: str, **settings: Any) -> str:
    """The configuration of a copy in which these images are expected."""
    document = json.loads(configuration(**settings))
    images = [{"name": f"image-{number}", "reference": one} for number, one in enumerate(references)]
    return json.dumps({**document, "check": {"version": "c1", "upstream": None, "images": images}})


async def test_the_expected_images_of_a_copy_are_looked_for_in_its_own_store(
    terminal: Terminal, material: Material
) -> None:
    async with stored() as site:
        whole = await site.push_image(b"layer", tag="v1")
        data = ["--data", str(site.folder)]
        terminal.configure(material.files(copy(whole, "v1")))
        found = await terminal.json("check", *data)
        assert terminal.code == 0
        assert (found["check"]["present"], found["check"]["host"], found["peers"]) == (2, "", [])
        usage = await site.store.upkeep.usage()
        store = found["store"]
        assert (store["role"], store["error"], store["bytes"], store["blobs"], store["limit"], store["full"]) == (
            "copy", "", usage.size, usage.pieces, 0, False
        )  # fmt: skip
        assert store["free"] > 0
        terminal.configure(material.files(copy(whole, ABSENT)))
        text = await terminal.run("check", *data)
        assert terminal.code == 1
        assert "images: 1 of 2 present in the store of this replica\n" in text
        assert f"@{ABSENT} is not in the store of this replica; push it, or set local.source" in text
        assert f"store: copy, {usage.pieces} pieces of content, " in text
        assert "asked: " not in text


async def test_other_images_may_be_looked_for_in_a_copy_that_expects_none(
    terminal: Terminal, material: Material
) -> None:
    async with stored() as site:
        await site.push_image(b"layer", tag="v1")
        terminal.configure(material.files(configuration()))
        text = await terminal.run("check", "--data", str(site.folder), "--image", "mine=v1", "--image", "other=v2")
        assert (terminal.code, "images: 1 of 2 present in the store" in text) == (1, True)


async def test_a_full_store_and_one_that_cannot_be_used_are_bad(
    terminal: Terminal, material: Material, folder: Path
) -> None:
    async with stored() as site:
        data = ["--data", str(site.folder)]
        terminal.configure(material.files(configuration(role="cache", size=1 << 30)))
        assert " of 1.0 GiB, " in await terminal.run("check", *data)
        assert terminal.code == 0
        terminal.configure(material.files(configuration(role="cache", minFree=1 << 60)))
        assert "FULL: nothing new is stored" in await terminal.run("check", *data)
        assert terminal.code == 1
    nowhere = folder / "nowhere"
    terminal.configure(material.files(copy(ABSENT)))
    text = await terminal.run("check", "--data", str(nowhere))
    assert f"store: copy, cannot be used: {nowhere} is no directory" in text
    assert "UpstreamError: the store cannot be read: " in text
    assert (terminal.code, nowhere.exists()) == (1, False)
