"""What a push asks of the other replicas, and when it is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from registry_gateway.oci import INDEX_TYPES, Code, OciError
from registry_gateway.push.session import owner_of, session_of, upload_of
from tests.gateway.listening import until
from tests.gateway.material import Material
from tests.gateway.pushing import REPOSITORY, UPLOADS, Pushing, pushing
from tests.store import site as build
from tests.store.site import NAME, digest

CONFIG, LAYER = build.config("v1"), b"layer" * 1000
IMAGE = build.manifest(CONFIG, [LAYER])
INDEX = build.index(IMAGE)


@dataclass
class Others:
    """The other replicas, as the test wants them; what they were asked for is kept."""

    agree: asyncio.Event = field(default_factory=asyncio.Event)
    refuse: OciError | None = None
    unlisted: OciError | None = None
    told: list[tuple[str, set[str]]] = field(default_factory=list)
    wanted: list[tuple[str, set[str], bool]] = field(default_factory=list)
    forwarded: list[tuple[str, str, bytes]] = field(default_factory=list)
    push: Pushing | None = None  # where what is looked for is put

    def require_listed(self) -> None:
        if self.unlisted:
            raise self.unlisted

    async def committed(self, repository: str, keys: Collection[str]) -> None:
        self.told.append((repository, set(keys)))
        if self.refuse:
            raise self.refuse
        await self.agree.wait()

    async def find(self, repository: str, digests: Collection[str], *, manifests: bool) -> None:
        self.wanted.append((repository, set(digests), manifests))
        if self.push is not None:
            site = build.Site(self.push.folder, self.push.store, build.Clock())
            for blob in (CONFIG, LAYER):
                await site.push_blob(blob, repository)
            if manifests:
                await self.push.store.changes.put_manifest(repository, IMAGE, build.MANIFEST)

    async def forward(
        self, owner: str, request: web.BaseRequest, *, begun: Callable[[web.StreamResponse], None]
    ) -> web.StreamResponse:
        self.forwarded.append((owner, request.path, await request.content.read()))
        response = web.Response(status=202)
        begun(response)
        return response


async def test_a_replica_that_the_others_do_not_know_refuses_a_push_at_its_beginning(
    material: Material, folder: Path
) -> None:
    others = Others(unlisted=OciError(503, Code.UNAVAILABLE, "not among the peers", retry_after="5"))
    async with pushing(material, folder, replicas=others) as push:
        for method, path in (("POST", UPLOADS), ("PUT", f"{REPOSITORY}/manifests/v1")):
            said = await push.ask(method, path)
            assert (said.status, said.headers["Retry-After"]) == (503, "5")
        assert (await push.ask("GET", "/v2/_catalog")).status == 200


async def test_names_are_acknowledged_when_the_replicas_have_them(material: Material, folder: Path) -> None:
    others = Others()
    async with pushing(material, folder, replicas=others) as push:
        for blob in (CONFIG, LAYER):
            await push.blob(blob)
        assert others.told == [], "blobs alone are no names"
        pending = asyncio.create_task(push.manifest(IMAGE, "v1"))
        await until(lambda: others.told)
        assert not pending.done()
        others.agree.set()
        assert (await pending).status == 201
        await push.manifest(IMAGE, digest(IMAGE))
        await push.ask("DELETE", f"{REPOSITORY}/manifests/v1")
        await push.ask("DELETE", f"{REPOSITORY}/manifests/{digest(IMAGE)}")
    here = digest(IMAGE)
    assert others.told == [(NAME, {"v1", here}), (NAME, {here}), (NAME, {"v1"}), (NAME, {here})]


async def test_a_name_that_the_replicas_do_not_take_is_not_acknowledged(material: Material, folder: Path) -> None:
    others = Others(refuse=OciError(503, Code.UNAVAILABLE, "fewer than half of them answer", retry_after="5"))
    async with pushing(material, folder, replicas=others) as push:
        for blob in (CONFIG, LAYER):
            await push.blob(blob)
        refused = await push.manifest(IMAGE, "v1")
        assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "UNAVAILABLE", "5")


@pytest.mark.parametrize(("body", "kind"), [(IMAGE, build.MANIFEST), (INDEX, INDEX_TYPES[0])])
async def test_what_was_pushed_to_another_replica_is_brought_here(
    material: Material, folder: Path, body: bytes, kind: str
) -> None:
    others = Others()
    others.agree.set()
    async with pushing(material, folder, replicas=others) as others.push:
        assert (await others.push.manifest(body, "v1", kind=kind)).status == 201
    names = {digest(IMAGE)} if body == INDEX else {digest(CONFIG), digest(LAYER)}
    assert others.wanted == [(NAME, names, body == INDEX)]


async def test_what_no_replica_has_is_still_missing(material: Material, folder: Path) -> None:
    others = Others()
    async with pushing(material, folder, replicas=others) as push:
        refused = await push.manifest(IMAGE, "v1")
        assert (refused.status, refused.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert (len(others.wanted), others.told) == (1, [])


async def test_an_upload_of_another_replica_is_given_to_it_with_its_body_unread(
    material: Material, folder: Path
) -> None:
    others, theirs = Others(), UPLOADS + session_of("master-1", "0" * 32)
    async with pushing(material, folder, replica="master-0", replicas=others) as push:
        done = await push.chunk(theirs, b"chunk")
        assert (done.status, done.headers["Server"]) == (202, "registry-gateway")
        refused = await push.ask("PATCH", theirs, user="ro", data=b"chunk")
        assert refused.status == 403
        assert (await push.finish(await push.begin(), digest(b"mine"), b"mine")).status == 201
    assert others.forwarded == [("master-1", theirs, b"chunk")]


@pytest.mark.parametrize("replica", ["", "master-0", "node.with.dots", "0123"])
def test_a_session_tells_replica_and_upload(replica: str) -> None:
    session = session_of(replica, "ab" * 16)
    assert (owner_of(session), upload_of(session)) == (replica, "ab" * 16)


@pytest.mark.parametrize("session", ["", "x", "master-0.", ".", "master-0/" + "0" * 32, "0" * 31, "-." + "0" * 32])
def test_what_is_no_session_tells_nothing(session: str) -> None:
    assert (owner_of(session), upload_of(session)) == ("", "")
