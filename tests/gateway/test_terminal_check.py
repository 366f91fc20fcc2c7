"""`check` at a terminal: everything that is wrong, as text and as JSON."""

from __future__ import annotations

import asyncio
import os
import pty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from registry_gateway.terminal import progress
from registry_gateway.terminal.check import ERRORS_SHOWN
from tests.gateway.at_terminal import Terminal
from tests.gateway.material import Material
from tests.gateway.store import Store
from tests.support.certs import issue
from tests.support.fault_server import Asked, Reply
from tests.support.gateway import config, upstream
from tests.support.image_registry import ImageRegistry

MARK = "s3cr3t-marker"
MISSING = ["sha256:" + f"{number:064x}" for number in range(ERRORS_SHOWN + 5)]


def route(store: Store, **options: str) -> dict[str, str]:
    return upstream(store.server.address, scheme="http", **options)


def check_of(upstream: dict[str, str], *references: str) -> dict[str, object]:
    images = [{"name": f"image-{number:03}", "reference": reference} for number, reference in enumerate(references)]
    return {"version": "c1", "upstream": upstream, "images": images}


async def test_everything_is_told(terminal: Terminal, material: Material) -> None:
    store = Store()
    async with store.server:
        digest = store.image()["digest"]
        old, new = route(store, path="old"), route(store)
        terminal.configure(material.files(config([old], check=check_of(new, digest, *MISSING))))
        found = await terminal.json("check")
        assert (terminal.code, found["configVersion"], found["certificateExpired"]) == (1, "v1", False)
        assert found["certificateNotAfter"].endswith("Z")
        assert [(one["id"], one["serves"], one["user"]) for one in found["upstreams"]] == [
            (old["id"], True, ""),
            (new["id"], False, ""),
        ]
        check = found["check"]
        assert (check["host"], check["total"], check["present"], check["errorCount"]) == (
            store.server.address, 1 + len(MISSING), 1, len(MISSING)
        )  # fmt: skip
        assert [error["reference"] for error in check["errors"]] == MISSING
        error = check["errors"][0]
        assert (error["image"], error["reason"], error["status"]) == ("image-001", "NotFound", 404)
        assert error["host"] == store.server.address
        assert found["requests"] == 1 + 1 + 2 + len(MISSING)  # /v2/, the image with its config and layer
        assert found["seconds"] > 0

        text = await terminal.run("check")
        assert "certificate: ends in " in text
        assert f"registry {store.server.address} (anonymous, not for clients yet): reachable\n" in text
        assert f"images: 1 of {1 + len(MISSING)} present at {store.server.address}\n" in text
        assert text.count(": NotFound: ") == ERRORS_SHOWN
        assert "  and 5 more; --all shows them\n" in text
        assert f"asked: {found['requests']} requests in " in text
        assert (await terminal.run("check", "--all")).count(": NotFound: ") == len(MISSING)


async def test_all_well_is_told_by_the_exit_code(terminal: Terminal, material: Material) -> None:
    store = Store()
    async with store.server:
        digest = store.image()["digest"]
        terminal.configure(material.files(config([route(store)], check=check_of(route(store), digest))))
        assert "images: 1 of 1 present" in await terminal.run("check")
        assert terminal.code == 0


async def test_other_images_are_checked_instead_at_the_registry_that_is_to_come(
    terminal: Terminal, material: Material
) -> None:
    old, new = Store(), Store()
    async with old.server, new.server:
        digest = new.image()["digest"]
        terminal.configure(material.files(config([route(old)], check=check_of(route(new), "never-asked"))))
        found = await terminal.json("check", "--image", f"mine={digest}", "--image", "other=v9")
        assert (found["check"]["host"], found["check"]["present"]) == (new.server.address, 1)
        assert [(error["image"], error["reference"]) for error in found["check"]["errors"]] == [("other", "v9")]
    assert not any("never-asked" in asked.path for asked in new.server.asked)


async def test_without_a_check_the_first_registry_is_asked_for_the_images_that_were_typed(
    terminal: Terminal, material: Material
) -> None:
    store = Store()
    async with store.server:
        store.image(tag="v1")
        terminal.configure(material.files(config([route(store)])))
        assert "images: 1 of 1 present" in await terminal.run("check", "--image", "mine=v1")
        assert "the configuration names none to check" in await terminal.run("check")
    terminal.configure(material.files(config([])))
    assert "routes: is empty" in await terminal.run("check", "--image", "mine=v1")
    assert terminal.code == 2


@pytest.mark.parametrize("image", ["v1", "=v1", "mine=", "mine=../x", "mine=sha256:abc"])
async def test_an_image_that_is_of_no_use_is_refused(terminal: Terminal, image: str) -> None:
    with pytest.raises(SystemExit) as raised:
        await terminal.run("check", "--image", image)
    assert raised.value.code == 2


async def test_the_identity_is_shown_and_never_the_password(terminal: Terminal, material: Material) -> None:
    def behaviour(asked: Asked) -> Reply:
        return store.behaviour(asked) if asked.header("Authorization") else challenge

    store, challenge = Store(), Reply(401, {"WWW-Authenticate": "Basic realm=x"})
    store.server.behaviour = behaviour
    async with store.server:
        terminal.configure(material.files(config([route(store, user="reader", password=MARK)])))
        text = await terminal.run("check")
        assert f"registry {store.server.address} (user reader, by password): reachable\n" in text
        assert (await terminal.json("check"))["upstreams"][0]["login"] == "basic"
    assert MARK not in terminal.said


async def test_an_expired_certificate_is_bad(terminal: Terminal, material: Material) -> None:
    expired = issue(material.ca, ips=["127.0.0.1"], days=0.01)  # from an hour ago
    terminal.configure(material.files(config([]), tls_crt=expired.cert, tls_key=expired.key))
    assert "certificate: has EXPIRED, " in await terminal.run("check")
    assert terminal.code == 1


async def test_parallel_is_the_most_that_is_asked_at_a_time(terminal: Terminal, material: Material) -> None:
    async with ImageRegistry(images=10, layers=3, full=2) as registry:
        there = upstream(registry.address, scheme="http")
        terminal.configure(material.files(config([there], check=check_of(there, *registry.images))))
        assert "images: 10 of 10 present" in await terminal.run("check", "--parallel", "2")
    assert registry.most == 2


@pytest.mark.parametrize("parallel", ["0", "65", "-1", "many"])
async def test_an_unreasonable_number_of_requests_is_refused(terminal: Terminal, parallel: str) -> None:
    with pytest.raises(SystemExit) as raised:
        await terminal.run("check", "--parallel", parallel)
    assert raised.value.code == 2


@contextmanager
def screen() -> Iterator[tuple[TextIO, int]]:
    """A terminal to write to, and the descriptor that reads what is seen on it."""
    seen, written = pty.openpty()
    with os.fdopen(written, "w") as stream:
        yield stream, seen
    os.close(seen)


async def test_a_long_check_tells_a_person_how_far_it_is_and_cleans_up() -> None:
    with screen() as (stream, seen):
        told = asyncio.Event()

        def text() -> str:
            told.set()
            return "5 of 9"

        async with progress.shown(text, stream=stream, after=0, every=0), asyncio.timeout(10):
            await told.wait()
        shown = b""
        while not shown.endswith(b"5 of 9\r\x1b[K"):  # a terminal gives what it has by and by
            shown += await asyncio.wait_for(asyncio.to_thread(os.read, seen, 4096), 10)
        assert shown.startswith(b"\r\x1b[K5 of 9")


async def test_a_short_check_leaves_the_terminal_alone() -> None:
    with screen() as (stream, seen):
        async with progress.shown(lambda: "5 of 9", stream=stream, after=60):
            pass
        os.set_blocking(seen, False)
        assert b"5 of 9" not in os.read(seen, 4096)


async def test_progress_is_not_for_files(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    async with progress.shown(lambda: "5 of 9", after=0, every=0):
        for _ in range(5):
            await asyncio.sleep(0)
    assert capsys.readouterr().err == ""
