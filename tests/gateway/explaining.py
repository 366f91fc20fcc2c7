"""Somebody at a terminal who asks `explain` about the store of a gateway, and what it says in short."""

from __future__ import annotations

from typing import Any

from tests.gateway.at_terminal import Terminal
from tests.gateway.caching import Cache
from tests.gateway.material import Material
from tests.gateway.processes import USERS
from tests.support.gateway import config, upstream

LAYER = b"layer" * 1000


class Person:
    """Somebody at a terminal of a replica whose gateway is `cache`."""

    def __init__(self, terminal: Terminal, material: Material, cache: Cache, *, role: str = "cache") -> None:
        route = upstream(cache.registry.server.address, scheme="http")
        terminal.configure(material.files(config([route], users=USERS, store={"role": role})))
        self.terminal, self.cache, self.host = terminal, cache, cache.registry.server.address

    async def explain(self, image: str) -> Any:
        return await self.terminal.json("explain", image, "--data", str(self.cache.folder))

    async def same(self, reference: str) -> tuple[list[str], str, bool]:
        """The order of asking, whose answer clients get, and whether the tag is asked for again; clients of the gateway
        get just that.
        """
        found = await self.explain(reference)
        async with self.cache.get(f"/manifests/{reference}") as answer:
            body = await answer.json(content_type=None)
            if error := found["clientError"]:
                assert (error["status"], error["message"]) == (answer.status, body["errors"][0]["message"])
                return kinds(found), "", found["store"]["asksAgain"]
            chosen = next(one for one in found["sources"] if one["chosen"])
            assert answer.headers["Docker-Content-Digest"] == chosen["digest"]
        return kinds(found), chosen["kind"], found["store"]["asksAgain"]


def kinds(found: Any) -> list[str]:
    return [one["kind"] for one in found["sources"]]


def origins(found: Any) -> list[tuple[str, str]]:
    return [(part["role"], part["source"]) for part in found["parts"]]
