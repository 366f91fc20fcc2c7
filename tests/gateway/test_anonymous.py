"""Clients without a login, whom a registry without one lets in: what stores have is not for them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.gateway.caching import BASE, in_memory
from tests.gateway.material import Material
from tests.gateway.processes import LOGIN
from tests.gateway.pushing import configuration, login
from tests.gateway.store import Store as Registry
from tests.support.gateway import gateway, upstream

PUSHED, PUBLIC, PRIVATE = b"pushed into Local", b"public", b"behind a login"
CONTENT = f"/blobs/sha256:{hashlib.sha256(PUSHED).hexdigest()}"


def files(material: Material, version: str, role: str, *routes: dict[str, str]) -> dict[str, str]:
    """A configuration in which everybody is let in."""
    document: dict[str, Any] = json.loads(configuration(role=role))
    document["clients"]["anonymous"] = True
    return material.files(json.dumps({**document, "version": version, "routes": routes}))


@pytest.mark.timeout(120)
async def test_what_was_pushed_stays_behind_a_login_in_whatever_mode_follows(material: Material, folder: Path) -> None:
    registry, closed = Registry(), Registry()
    public = f"/blobs/{registry.blob(PUBLIC)['digest']}"
    private = f"/blobs/{closed.blob(PRIVATE)['digest']}"
    with in_memory() as data:
        options = ["--data", str(data)]
        started = gateway(folder, files(material, "v1", "copy"), workers=1, options=options)
        async with registry.server, closed.server:
            running = await asyncio.to_thread(started.__enter__)
            connector = aiohttp.TCPConnector(ssl=material.client_context())
            url = f"https://{running.address}"
            async with aiohttp.ClientSession(url, connector=connector) as client:

                async def read(path: str, **headers: str) -> tuple[int, bytes]:
                    async with client.get(path, headers=headers) as answer:
                        return answer.status, await answer.read()

                push = {"Authorization": login("rw"), "Content-Type": "application/octet-stream"}
                digest = CONTENT.removeprefix("/blobs/")
                where = f"{BASE}/blobs/uploads/?digest={digest}"
                async with client.post(where, data=PUSHED, headers=push) as answer:
                    assert answer.status == 201
                assert (await read(BASE + CONTENT))[0] == 401
                assert (await read("/v2/_catalog"))[0] == 401

                route = upstream(registry.server.address, scheme="http")
                behind_a_login = upstream(closed.server.address, scheme="http", user="reader", password="password")
                running.secret.write(files(material, "switching", "copy", route))
                await asyncio.to_thread(running.wait_for_version, "switching")
                assert (await read(BASE + CONTENT))[0] == 404
                assert await read(BASE + public) == (200, PUBLIC)
                assert (await read("/v2/_catalog"))[0] == 403
                for version, role in (("v2", "spare"), ("v3", "cache")):
                    running.secret.write(files(material, version, role, route, behind_a_login))
                    await asyncio.to_thread(running.wait_for_version, version)
                    assert (await read(BASE + CONTENT))[0] == 404, role
                    assert await read(BASE + public) == (200, PUBLIC)
                    assert await read(BASE + CONTENT, **LOGIN) == (200, PUSHED)
                    assert (await read(BASE + private))[0] == 404, "its credentials are not for everybody"
                    assert await read(BASE + private, **LOGIN) == (200, PRIVATE)
                stored = data / public.strip("/").replace(":", "/")
                assert not stored.exists()
                assert await read(BASE + public, **LOGIN) == (200, PUBLIC)
                assert stored.exists()
                registry.content.clear()
                assert (await read(BASE + public))[0] == 404, "what a cache has is asked for again"
            await asyncio.to_thread(started.__exit__, None, None, None)
