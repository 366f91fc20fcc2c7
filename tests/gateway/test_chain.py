"""Who is asked for what the store lacks, and what one replica may want of another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_gateway.config_store import Peer, Role
from registry_gateway.sources.base import Answer, Query, Reason, SourceError
from registry_gateway.sources.chain import Chain
from registry_gateway.sources.ordered import NoAnswerError
from registry_gateway.sources.peer import STORE_SECONDS, Ask, Asking, PeerSource, by_preference, patience
from registry_gateway.sources.transport import DEADLINES, Deadlines
from registry_gateway.target import Kind
from registry_gateway.tls import upstream_context
from tests.gateway.listening import until
from tests.gateway.material import Material
from tests.support.fault_server import FaultServer, Reply

DIGEST = "sha256:" + "a" * 64
NAMES = ("master-0", "master-1", "master-2")


@dataclass(frozen=True)
class Route:
    """A registry of which only the name is wanted here."""

    label: str = "registry.example.com"
    ailing: bool = False

    async def fetch(self, query: Query) -> Answer:
        raise NotImplementedError(query)


@pytest.fixture
async def replicas() -> AsyncIterator[dict[str, PeerSource]]:
    context = upstream_context("")
    made = {name: PeerSource(Peer(name, f"{name}:5001"), own="x", alias="a", context=context) for name in NAMES}
    yield made
    for one in made.values():
        await one.close()


def asked(chain: Chain) -> list[str]:
    """Names in the order of asking; `!` marks who is to fetch."""
    found = chain.fetching(DIGEST)
    return [("" if isinstance(one, PeerSource | Route) else "!") + one.label for one in found]


async def test_the_owner_is_asked_to_fetch_and_asks_nobody_else_to(replicas: dict[str, PeerSource]) -> None:
    first, second, third = by_preference(DIGEST, NAMES)

    def order(own: str, role: Role = Role.CACHE, *, owns: bool = False) -> list[str]:
        peers = [replicas[name] for name in NAMES if name != own]
        return asked(Chain(role, [Route()], peers, own, owns=owns))

    route, p1, p2, p3 = "registry.example.com", f"peer:{first}", f"peer:{second}", f"peer:{third}"
    assert order(second) == [f"!{p1}", p3, route]
    assert order(third) == [f"!{p1}", f"!{p2}", route]
    assert sorted(order(first)) == sorted([p2, p3, route])
    assert sorted(order(third, owns=True)) == sorted([p1, p2, route]), "it was asked as owner, others may think so too"
    assert order(first)[-1] == order(third, owns=True)[-1] == route
    assert "!" not in "".join(order(third, Role.COPY))


@given(st.lists(st.text("abc-0123456789", min_size=1), min_size=2, unique=True), st.integers(0, 2**32))
def test_when_a_replica_goes_only_what_it_owned_has_a_new_owner(names: list[str], number: int) -> None:
    digest = f"sha256:{number:064x}"
    order = by_preference(digest, names)
    assert order == by_preference(digest, reversed(names))
    for gone in names:
        assert by_preference(digest, [name for name in names if name != gone]) == [one for one in order if one != gone]


def test_each_of_three_owns_about_a_third() -> None:
    owners = [by_preference(f"sha256:{number:064x}", NAMES)[0] for number in range(900)]
    assert all(250 < owners.count(name) < 350 for name in NAMES)


async def test_the_routes_word_counts_before_the_stores_and_that_before_the_replicas(
    replicas: dict[str, PeerSource],
) -> None:
    chain = Chain(Role.CACHE, [Route()], [replicas["master-1"]], "master-0")
    missing = SourceError(Reason.NOT_FOUND, "not here", host="store", status=404)
    dead = SourceError(Reason.UNREACHABLE, "no replica", host="master-1:5001")
    away = SourceError(Reason.UNREACHABLE, "no registry", host="registry.example.com")
    assert chain.in_order(NoAnswerError([dead, away]), missing).errors == (away, missing, dead)
    assert chain.in_order(NoAnswerError([dead]), missing).best is missing


async def test_a_replica_that_hangs_is_waited_for_only_when_it_has_to_ask_the_upstream(material: Material) -> None:
    server = FaultServer(Reply(silent=True), tls=material.server_context())
    deadlines = Deadlines(connect=10, first_byte=0.5, idle=10)
    query = Query(Kind.BLOB, "", DIGEST)
    async with server:
        peer = Peer("master-1", server.address)
        source = PeerSource(peer, own="x", alias="a", context=material.client_context(), deadlines=deadlines)
        owner = asyncio.create_task(source.owner.fetch(query))
        await until(lambda: server.asked)
        with pytest.raises(SourceError) as refused:
            await source.fetch(query)
        assert (refused.value.reason, source.ailing, source.owner.ailing) == (Reason.UNREACHABLE, True, True)
        assert not owner.done()
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
        await source.close()
    assert patience(Ask.STORE, DEADLINES).first_byte == STORE_SECONDS
    assert patience(Ask.UPSTREAM, DEADLINES).first_byte > DEADLINES.connect + DEADLINES.first_byte


@pytest.mark.parametrize("ask", list(Ask))
def test_what_a_replica_asks_for_is_read_as_it_was_written(ask: Ask) -> None:
    assert Asking.parse(Asking("master-0.example", ask).header) == Asking("master-0.example", ask)


@pytest.mark.parametrize(
    "header", ["", "x", "x; ask=upstream; ask=store", "x; ask=all", "; ask=upstream", "é; ask=upstream"]
)
def test_what_cannot_be_read_asks_for_the_store_only(header: str) -> None:
    assert Asking.parse(header) == Asking("", Ask.STORE)
