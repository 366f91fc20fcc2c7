"""The store in real gateway processes: one fetch among all workers, and a store that comes, goes, breaks and heals."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.gateway.caching import BASE, in_memory
from tests.gateway.listening import until
from tests.gateway.material import Material
from tests.gateway.processes import LOGIN, USERS
from tests.gateway.store import Store as Registry
from tests.support.fault_server import Reply
from tests.support.gateway import Gateway, config, gateway, upstream

BODY = b"0123456789abcdef" * 50_000
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
CACHE = {"role": "cache"}
PROCESSES = 3  # that have the store open: two workers and their parent


def files(material: Material, registry: Registry, *, version: str = "v1", store: Any = CACHE) -> dict[str, str]:
    route = upstream(registry.server.address, scheme="http")
    return material.files(config([route], users=USERS, version=version, store=store))


@asynccontextmanager
async def cached(
    folder: Path, material: Material, registry: Registry, data: Path, **options: Any
) -> AsyncIterator[Gateway]:
    with ExitStack() as stack:
        # All clients have one address here, and the kernel may lead them all to one worker.
        arguments = ["--data", str(data), "--streams-per-client", "64"]
        started = gateway(folder, files(material, registry, **options), options=arguments)
        yield await asyncio.to_thread(stack.enter_context, started)
        await asyncio.to_thread(stack.close)  # what clients have yet to close is closed meanwhile


def client(material: Material) -> aiohttp.ClientSession:
    """One that uses a new connection each time, so that the kernel spreads its requests over the workers."""
    connector = aiohttp.TCPConnector(ssl=material.client_context(), force_close=True, limit=0)
    return aiohttp.ClientSession(connector=connector, headers=LOGIN)


async def pull(session: aiohttp.ClientSession, running: Gateway, digest: str = DIGEST) -> bytes:
    async with session.get(f"https://{running.address}{BASE}/blobs/{digest}") as answer:
        assert answer.status == 200
        return await answer.read()


def logged(running: Gateway, event: str) -> int:
    return sum(line["message"] == event for line in running.lines())


def sources(running: Gateway) -> list[str]:
    return [line["source"] for line in running.lines() if line["message"] == "request" and "/blobs/" in line["path"]]


@pytest.mark.timeout(120)
async def test_fifty_clients_of_two_workers_cost_one_request(material: Material, folder: Path) -> None:
    registry, hold = Registry(), asyncio.Event()
    registry.blob(BODY)
    registry.replies[f"blobs/{DIGEST}"] = Reply(200, body=BODY, hold=hold)
    with in_memory() as data:
        async with registry.server, client(material) as session, cached(folder, material, registry, data) as running:
            pulls = [asyncio.create_task(pull(session, running)) for _ in range(50)]
            await until(lambda: registry.asked("GET").count(f"blobs/{DIGEST}"), seconds=30)
            hold.set()
            assert set(await asyncio.gather(*pulls)) == {BODY}
            assert registry.asked("GET").count(f"blobs/{DIGEST}") == 1
            assert await pull(session, running) == BODY
            await until(lambda: len(sources(running)) == 51)
            assert {"store", registry.server.address} == set(sources(running))


@pytest.mark.timeout(120)
async def test_a_store_appears_and_goes_while_a_blob_is_being_read(material: Material, folder: Path) -> None:
    registry = Registry()
    registry.blob(BODY)
    large = bytes(1024) * 8192
    key = f"blobs/{registry.blob(large)['digest']}"
    with in_memory() as data:
        async with (
            registry.server,
            client(material) as session,
            cached(folder, material, registry, data, store=None) as running,
        ):
            assert await pull(session, running) == BODY
            assert not list(data.iterdir())
            running.secret.write(files(material, registry, version="v2"))
            await asyncio.to_thread(running.wait_for_version, "v2")
            await pull(session, running)
            await pull(session, running, key.removeprefix("blobs/"))
            async with session.get(f"https://{running.address}{BASE}/{key}") as answer:
                first = await answer.content.readexactly(1024)
                running.secret.write(files(material, registry, version="v3", store=None))
                await asyncio.to_thread(running.wait_for_version, "v3")
                assert first + await answer.read() == large
            assert await pull(session, running) == BODY
            await until(lambda: len(sources(running)) == 5)
            host = registry.server.address
            assert sources(running).count(host) == 4
            assert sources(running).count("store") == 1


@pytest.mark.timeout(120)
async def test_without_a_usable_data_directory_requests_pass_through(material: Material, folder: Path) -> None:
    registry = Registry()
    registry.blob(BODY)
    obstacle = folder / "file"
    obstacle.write_text("no folder")
    async with registry.server, client(material) as session, cached(folder, material, registry, obstacle) as running:
        for _ in range(2):
            assert await pull(session, running) == BODY
        complaints = [line for line in running.lines() if "the store cannot be used" in line["message"]]
        assert complaints
        assert all(line["reason"] for line in complaints)
        obstacle.unlink()
        await until(lambda: logged(running, "store opened") >= PROCESSES, seconds=30)
        for _ in range(2):
            assert await pull(session, running) == BODY
        assert registry.asked("GET").count(f"blobs/{DIGEST}") == 3


@pytest.mark.timeout(120)
async def test_a_damaged_index_is_rebuilt_while_requests_go_on(material: Material, folder: Path) -> None:
    registry = Registry()
    registry.blob(BODY)
    manifest = registry.image(BODY, tag="v1")
    with in_memory() as data:
        async with registry.server, client(material) as session, cached(folder, material, registry, data) as running:
            async with session.get(f"https://{running.address}{BASE}/manifests/v1") as answer:
                assert answer.status == 200
            assert await pull(session, running) == BODY
            (data / "rebuild").touch()
            await until(lambda: logged(running, "store opened") >= 2 * PROCESSES, seconds=30)
            assert not (data / "rebuild").exists()
            for _ in range(4):
                assert await pull(session, running) == BODY
            assert registry.asked("GET").count(f"blobs/{DIGEST}") == 1
            async with session.get(f"https://{running.address}{BASE}/manifests/{manifest['digest']}") as answer:
                assert json.loads(await answer.text())["schemaVersion"] == 2


@pytest.mark.timeout(120)
async def test_damage_that_a_request_meets_is_healed(material: Material, folder: Path) -> None:
    registry = Registry()
    registry.image(BODY, tag="v1")
    with in_memory() as data:
        async with registry.server, client(material) as session, cached(folder, material, registry, data) as running:
            assert await pull(session, running) == BODY
            damage(data / "index.sqlite")
            for _ in range(8):
                assert await pull(session, running) == BODY
            await until(lambda: logged(running, "store opened") >= 2 * PROCESSES, seconds=30)
            before = registry.asked("GET").count(f"blobs/{DIGEST}")
            for _ in range(4):
                assert await pull(session, running) == BODY
            assert registry.asked("GET").count(f"blobs/{DIGEST}") <= before + 1


@pytest.mark.timeout(120)
async def test_data_that_was_wiped_is_begun_anew(material: Material, folder: Path) -> None:
    registry = Registry()
    registry.blob(BODY)
    with in_memory() as data:
        async with registry.server, client(material) as session, cached(folder, material, registry, data) as running:
            assert await pull(session, running) == BODY
            for path in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
                (data / path).unlink(missing_ok=True)
            for file in (data / "blobs" / "sha256").iterdir():
                file.unlink()
            for _ in range(8):
                assert await pull(session, running) == BODY
            await until(lambda: logged(running, "store opened") >= 2 * PROCESSES, seconds=30)
            await pull(session, running)
            place = data / "blobs" / DIGEST.replace(":", "/")
            await until(place.exists)
            assert place.read_bytes() == BODY


def damage(index: Path) -> None:
    """Make every page but the first of the index nonsense, in the file and in what its log says of it."""
    with sqlite3.connect(index) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = index.read_bytes()
    with index.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (len(content) - 4096))
