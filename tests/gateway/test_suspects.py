"""Who is asked last for what it sent wrong, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from registry_gateway.sources import suspects
from registry_gateway.sources.base import Answer, Query
from registry_gateway.sources.ordered import first_answer
from registry_gateway.sources.suspects import Suspects
from registry_gateway.target import Kind

DIGEST = "sha256:" + "a" * 64


@dataclass(frozen=True)
class Route:
    """A registry that has everything."""

    label: str
    ailing: bool = False

    async def fetch(self, query: Query) -> Answer:
        return Answer(200, {}, self.label)


async def chosen(known: Suspects, digest: str = DIGEST) -> str:
    found = await first_answer(known.marked([Route("first"), Route("second")], digest), Query(Kind.BLOB, "", digest))
    return found.source


async def test_a_suspect_is_asked_last_for_that_digest_and_for_a_while() -> None:
    clock = [0.0]
    known = Suspects(clock=lambda: clock[0])
    assert await chosen(known) == "first"
    known.add(["first"], DIGEST)
    assert (await chosen(known), await chosen(known, "sha256:other")) == ("second", "first")
    known.add(["second"], DIGEST)
    assert await chosen(known) == "first", "of suspects only, in their order"
    clock[0] = suspects.SECONDS
    assert await chosen(known) == "first"


async def test_only_so_many_are_remembered() -> None:
    known = Suspects()
    for number in range(suspects._REMEMBERED + 1):
        known.add(["first"], f"sha256:{number}")
    assert await chosen(known, "sha256:0") == "first"
    assert await chosen(known, "sha256:1") == "second"
