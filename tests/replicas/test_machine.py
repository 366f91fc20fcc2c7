"""Any sequence of pushes, deletions, cuts, clocks that move and restarts at three replicas ends with all of them equal.

The model is what was ever written, at any replica: of each name the last write must be what all have in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from registry_gateway.oci import OciError
from registry_gateway.replicas.times import Times
from registry_gateway.store.errors import UnknownError
from tests.replicas.cluster import Cluster
from tests.replicas.node import image
from tests.store.conftest import MEMORY
from tests.store.site import digest

Result = TypeVar("Result")
IMPATIENT = Times(live=0.5, ping=0.05, deadline=5.0, again=0.05, absent=0.0)
NODES = ["a", "b", "c"]
nodes, names, tags = st.sampled_from(NODES), st.sampled_from(["x", "x/y"]), st.sampled_from(["v1", "v2"])
labels = st.sampled_from(["1", "2", "3"])
pairs = st.sampled_from(list(itertools.combinations(NODES, 2)))


class ReplicasMachine(RuleBasedStateMachine):
    """`written`: by repository and name the latest (time, value) that any replica has ever had."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.loop = asyncio.new_event_loop()
        self.written: dict[tuple[str, str], tuple[int, str]] = {}
        self.cluster = self.run(make(self.folder))
        self.run(self.cluster.__aenter__())

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(work)

    @rule(at=nodes, name=names, label=labels, tag=tags | st.just(""))
    def push(self, at: str, name: str, label: str, tag: str) -> None:
        self.run(self.acknowledged(self.cluster[at].push(b"layer", label.encode(), tag=tag, name=name, label=label)))
        self.note(at)

    @rule(at=nodes, name=names, tag=tags)
    def delete_tag(self, at: str, name: str, tag: str) -> None:
        self.run(self.acknowledged(self.cluster[at].delete(tag, name=name)))
        self.note(at)

    @rule(at=nodes, name=names, label=labels)
    def delete_manifest(self, at: str, name: str, label: str) -> None:
        body = image(label, b"layer", label.encode())[0]
        self.run(self.acknowledged(self.cluster[at].delete(digest(body), name=name)))
        self.note(at)

    @rule(at=nodes, seconds=st.integers(-5, 60))
    def move_clock(self, at: str, seconds: int) -> None:
        self.cluster[at].clock.pass_(seconds)

    @rule(pair=pairs)
    def cut(self, pair: tuple[str, str]) -> None:
        self.run(self.cluster.cut(*pair))

    @rule(pair=pairs)
    def heal(self, pair: tuple[str, str]) -> None:
        self.run(self.cluster.heal(*pair))

    @rule(at=nodes)
    def compare(self, at: str) -> None:
        self.run(self.cluster[at].keeper._sync.round())

    @rule(at=nodes, rebuilt=st.booleans())
    def restart(self, at: str, rebuilt: bool) -> None:
        self.run(self.cluster[at].stop())
        if rebuilt:
            (self.cluster[at].folder / "rebuild").touch()
        self.run(self.cluster[at].restart())

    def note(self, at: str) -> None:
        for name, found in self.run(self.cluster[at].names()).items():
            for key, known in found.items():
                self.written[name, key] = max(self.written.get((name, key), (0, "")), known)

    async def acknowledged(self, work: Coroutine[Any, Any, Any]) -> None:
        with contextlib.suppress(UnknownError, OciError):  # not here, or not acknowledged: it has happened all the same
            await work

    def teardown(self) -> None:
        if not hasattr(self, "cluster"):
            return
        try:
            self.run(self.end())
        finally:
            self.run(self.cluster.__aexit__(None, None, None))
            self.loop.close()
            shutil.rmtree(self.folder)

    async def end(self) -> None:
        for pair in itertools.combinations(NODES, 2):
            await self.cluster.heal(*pair)
        for name in NODES:
            await self.cluster.sees(name, *(other for other in NODES if other != name))
        for name in NODES * 3:
            await self.cluster[name].keeper._sync.round()
        await self.cluster.equal()
        found = await self.cluster["a"].names()
        for (name, key), (time, value) in self.written.items():
            now = found[name][key]
            if now != (time, value):
                assert ":" not in key, (key, now, value)
                assert now == self.written[name, value], (
                    "a tag goes only with its manifest, and that later than it was set"
                )
                assert now[0] >= time
                assert now[1] == ""


async def make(folder: Path) -> Cluster:
    return Cluster(folder, NODES, times=IMPATIENT, keeps=False)


ReplicasMachine.TestCase.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
TestReplicasMachine = ReplicasMachine.TestCase
