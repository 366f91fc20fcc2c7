"""Three masters, each a gateway process with a store of its own, in front of one registry."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from registry_gateway.sources.peer import HEADER
from tests.gateway.caching import BASE, in_memory
from tests.gateway.material import Material
from tests.gateway.processes import LOGIN, USERS, children
from tests.gateway.store import Store as Registry
from tests.support.gateway import Gateway, config, free_port, gateway, upstream

NAMES = ("master-0", "master-1", "master-2")
PATIENT = ("--connect-seconds", "20", "--first-byte-seconds", "20")


@dataclass
class Masters:
    """The replicas by name, their data below `data`, a client with a login, and one with a peer's certificate."""

    running: dict[str, Gateway]
    data: Path
    registry: Registry
    client: aiohttp.ClientSession
    peer: aiohttp.ClientSession

    async def pull(self, name: str, path: str, *, ask: str = "", as_peer: bool = False) -> tuple[int, bytes]:
        """Status and body of what the replica `name` answers; `ask` is what a peer would want of it."""
        session = self.peer if as_peer else self.client
        headers = {HEADER: f"master-x; ask={ask}"} if ask else {}
        async with session.get(f"https://{self.running[name].address}{BASE}{path}", headers=headers) as answer:
            return answer.status, await answer.read()

    def gets(self, digest: str) -> int:
        """How often the registry was asked for that blob by GET."""
        return self.registry.asked("GET").count(f"blobs/{digest}")

    def has(self, name: str, digest: str) -> bool:
        """Whether that replica has stored it."""
        return (self.data / name / "blobs" / digest.replace(":", "/")).exists()

    def kill(self, name: str) -> None:
        """End it as a power cut does."""
        running = self.running[name]
        for pid in (running.process.pid, *children(running)):
            os.kill(pid, signal.SIGKILL)
        running.process.wait()


@asynccontextmanager
async def masters(material: Material, folder: Path) -> AsyncIterator[Masters]:
    """Start them as caches."""
    registry, stack = Registry(), ExitStack()
    hosts = {name: f"127.0.0.1:{free_port()}" for name in NAMES}
    data = stack.enter_context(in_memory())
    async with registry.server:
        route = upstream(registry.server.address, scheme="http")
        text = config([route], users=USERS, store={"role": "cache"}, peers=hosts)
        files = material.files(text, tls_crt=material.peer.cert, tls_key=material.peer.key)

        def start(name: str) -> Gateway:
            (data / name).mkdir()
            (folder / name).mkdir()
            options = [*PATIENT, "--data", str(data / name), "--name", name]
            one = gateway(folder / name, files, workers=1, options=options, address=hosts[name])
            return stack.enter_context(one)

        try:
            running = {name: await asyncio.to_thread(start, name) for name in NAMES}
            plain = aiohttp.TCPConnector(ssl=material.client_context(), limit=0, force_close=True)
            shown = aiohttp.TCPConnector(ssl=material.client_context(material.peer), limit=0, force_close=True)
            async with (
                aiohttp.ClientSession(connector=plain, headers=LOGIN) as client,
                aiohttp.ClientSession(connector=shown) as peer,
            ):
                yield Masters(running, data, registry, client, peer)
        finally:
            await asyncio.to_thread(stack.close)
