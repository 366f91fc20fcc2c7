"""Any sequence of pushes, pulls, deletions, collections, crashes and rebuilds, against a model in dictionaries."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from registry_gateway.store import manifests
from registry_gateway.store.errors import ContentMissingError, UnknownError
from registry_gateway.store.plan import Keep
from registry_gateway.store.store import Store
from tests.store import site as build
from tests.store.conftest import MEMORY
from tests.store.site import DAY, MANIFEST, Clock, Site, digest

Result = TypeVar("Result")
names, tags = st.sampled_from(["a", "a/b", "c"]), st.sampled_from(["v1", "v2", "latest"])
layers = st.sampled_from([b"1", b"22", b"3" * 3000, b""])
images = st.lists(layers, max_size=3, unique=True).map(lambda found: build.manifest(build.config(), found))


class StoreMachine(RuleBasedStateMachine):
    """The model: content by digest, and per repository its links, manifests (by digest) and tags."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.loop, self.clock = asyncio.new_event_loop(), Clock()
        self.links: dict[str, set[str]] = {}
        self.manifests: dict[str, dict[str, bytes]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.uploads: dict[str, tuple[str, bytes]] = {}
        self.open()

    def open(self) -> None:
        self.site = Site(self.folder, self.run(Store.open(self.folder, now=self.clock)), self.clock)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(work)

    def has(self, name: str) -> set[str]:
        named = {child for body in self.manifests.get(name, {}).values() for child in children(body)}
        return self.links.get(name, set()) | named | set(self.manifests.get(name, {}))

    @rule(name=names, body=layers | st.just(build.config()))
    def push_blob(self, name: str, body: bytes) -> None:
        self.run(self.site.push_blob(body, name))
        self.links.setdefault(name, set()).add(digest(body))

    @rule(name=names)
    def start_upload(self, name: str) -> None:
        self.uploads[self.run(self.site.store.uploads.start(name))] = (name, b"")

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), piece=layers)
    def append(self, data: st.DataObject, piece: bytes) -> None:
        upload = data.draw(st.sampled_from(sorted(self.uploads)))
        name, so_far = self.uploads[upload]

        async def write() -> None:
            async with await self.site.store.uploads.resume(name, upload, offset=len(so_far)) as session:
                await session.write(piece)

        self.run(write())
        self.uploads[upload] = name, so_far + piece

    @precondition(lambda self: self.uploads)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        upload = data.draw(st.sampled_from(sorted(self.uploads)))
        name, body = self.uploads.pop(upload)

        async def commit() -> None:
            async with await self.site.store.uploads.resume(name, upload, offset=len(body)) as session:
                await session.commit(digest(body))

        self.run(commit())
        self.links.setdefault(name, set()).add(digest(body))

    @rule(name=names, body=images, tag=tags | st.just(""))
    def push_manifest(self, name: str, body: bytes, tag: str) -> None:
        missing = children(body) - self.has(name)
        assert self.run(self.put(name, body, tag)) == missing
        if missing:
            return
        self.manifests.setdefault(name, {})[digest(body)] = body
        if tag:
            self.tags.setdefault(name, {})[tag] = digest(body)

    @rule(name=names, source=names, body=layers)
    def mount(self, name: str, source: str, body: bytes) -> None:
        mounted = self.run(self.site.store.changes.mount(name, digest(body), source=source))
        assert mounted == (digest(body) in self.has(source))
        if mounted:
            self.links.setdefault(name, set()).add(digest(body))

    @rule(name=names, tag=tags)
    def delete_tag(self, name: str, tag: str) -> None:
        known = self.tags.get(name, {}).pop(tag, None) is not None
        assert self.succeeds(self.site.store.changes.delete_tag(name, tag)) == known

    @rule(name=names, body=images)
    def delete_manifest(self, name: str, body: bytes) -> None:
        known = self.manifests.get(name, {}).pop(digest(body), None) is not None
        self.tags[name] = {tag: one for tag, one in self.tags.get(name, {}).items() if one != digest(body)}
        assert self.succeeds(self.site.store.changes.delete_manifest(name, digest(body))) == known

    @rule(keep=st.sets(tags))
    def collect(self, keep: set[str]) -> None:
        self.clock.pass_(DAY)
        self.run(self.site.store.upkeep.collect(Keep(tag=lambda _, tag: tag in keep)))
        for name in {*self.links, *self.manifests}:
            self.tags[name] = {tag: one for tag, one in self.tags.get(name, {}).items() if tag in keep}
            kept = {one: self.manifests[name][one] for one in self.tags[name].values()}
            self.manifests[name] = kept
            self.links[name] = self.links.get(name, set()) & {
                child for body in kept.values() for child in children(body)
            }
        assert self.site.on_disk() == {one for name in self.manifests for one in self.has(name)}

    @rule()
    def crash(self) -> None:
        """The process is gone with all it had open; only what is on disk counts."""
        crashed, survived = self.site.store, Path(tempfile.mkdtemp(dir=self.folder.parent))
        shutil.copytree(self.folder, survived, symlinks=True, dirs_exist_ok=True)
        self.run(crashed.close())
        shutil.rmtree(self.folder)
        self.folder = survived
        self.open()

    @rule()
    def rebuild(self) -> None:
        self.run(self.site.store.close())
        for path in self.folder.glob("index.sqlite*"):
            path.unlink()
        self.open()
        self.links, self.uploads = {}, {}

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        if not hasattr(self, "site"):
            return
        for name in ("a", "a/b", "c"):
            wanted = self.tags.get(name, {})
            assert self.run(self.tags_of(name)) == wanted
            for one, body in self.manifests.get(name, {}).items():
                assert self.run(self.site.store.contents.manifest(name, one)).content == body
            for body in (b"1", b"22", b"3" * 3000, b""):
                if digest(body) in self.has(name):
                    assert self.run(self.site.read(digest(body), name)) == body
                else:
                    assert not self.succeeds(self.site.read(digest(body), name))

    async def put(self, name: str, body: bytes, tag: str) -> set[str]:
        try:
            await self.site.store.changes.put_manifest(name, body, MANIFEST, tag=tag)
        except ContentMissingError as error:
            return set(error.digests)
        return set()

    async def tags_of(self, name: str) -> dict[str, str]:
        try:
            found = await self.site.store.contents.tags(name)
        except UnknownError:
            return {}
        return {tag: (await self.site.store.contents.manifest(name, tag)).digest for tag in found}

    def succeeds(self, work: Coroutine[Any, Any, Any]) -> bool:
        try:
            self.run(work)
        except UnknownError:
            return False
        return True

    def teardown(self) -> None:
        if hasattr(self, "site"):
            self.run(self.site.store.close())
            self.loop.close()
            shutil.rmtree(self.folder)


def children(body: bytes) -> set[str]:
    return {reference.digest for reference in manifests.parse(body, MANIFEST).children}


StoreMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestStoreMachine = StoreMachine.TestCase
