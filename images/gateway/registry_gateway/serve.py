"""The parent process: starts the workers, looks after registries and images, reports, answers for its health."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from registry_gateway import health, log, mount, status
from registry_gateway.always import always
from registry_gateway.check.rounds import Rounds
from registry_gateway.config_store import Peer, Role
from registry_gateway.fleet import Fleet, worker_command
from registry_gateway.listeners import Address
from registry_gateway.probes import Probes
from registry_gateway.reload import Reloader
from registry_gateway.replica import Reporter, Write
from registry_gateway.replicas.hold import holding
from registry_gateway.replicas.replicas import Keeper
from registry_gateway.sources.peer import Peers
from registry_gateway.sources.pool import Pool
from registry_gateway.sources.room import Room
from registry_gateway.sources.transport import Deadlines
from registry_gateway.upkeep.duties import Duties


@dataclass(frozen=True, slots=True)
class Settings:
    """What `serve` is told. `write` puts the status into the cluster; None when there is none to tell."""

    folder: Path
    health: Address
    workers: int
    worker_options: Sequence[str]
    write: Write | None
    deadlines: Deadlines
    drain_seconds: float
    poll_seconds: float
    check_parallel: int
    data: Path | None = None  # folder of the store
    name: str = ""  # of this replica among the peers
    etcd: Path = Path("/var/lib/etcd")  # where etcd's data would be seen


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    return uvloop.run(_Gateway(settings).run())


class _Gateway:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._draining = False
        self._version = ""
        self._rounds: Rounds | None = None
        self._watched: tuple[asyncio.Task[None], ...] = ()
        self._equals: Keeper | None = None
        self._equals_of: tuple[Sequence[Peer], bytes, int] | None = None  # peers, certificates, minFree
        self._comparing: asyncio.Task[None] | None = None

    async def run(self) -> int:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        counters = tempfile.mkdtemp(prefix="registry-gateway-")
        try:
            await self._start(counters)
            log.emit("info", "started", workers=self._settings.workers, config=str(self._settings.folder))
            await stop.wait()
            log.emit("info", "stopping", drain_seconds=self._settings.drain_seconds)
            self._draining = True  # readiness goes first
            await self._fleet.stop(seconds=self._settings.drain_seconds + 1)
            await self._end()
        finally:
            shutil.rmtree(counters, ignore_errors=True)
        log.emit("info", "stopped")
        return 0

    async def _start(self, counters: str) -> None:
        self._metrics = health.ParentMetrics(counters)
        self._pool = Pool(deadlines=self._settings.deadlines)
        self._probes = Probes(self._changed)
        self._duties = Duties(self._settings.data, self._settings.name, self._settings.etcd, self._changed)
        self._peers = Peers(self._settings.name, deadlines=self._settings.deadlines)
        self._reporter = Reporter(self._status, self._settings.write) if self._settings.write else None
        host, port = self._settings.health
        factory = health.server(self._health, self._render_metrics)
        self._health_server = await asyncio.get_running_loop().create_server(factory, host, port)
        self._fleet = Fleet(
            [*worker_command(), *self._settings.worker_options],
            count=self._settings.workers,
            environment={**os.environ, "PROMETHEUS_MULTIPROC_DIR": counters},
            changed=self._changed,
        )
        self._reloader = Reloader(self._settings.folder, self._apply, poll_seconds=self._settings.poll_seconds)
        self._fleet.start()
        self._parts = [always("reload", lambda: self._reloader.watch(self._reloaded))]
        if self._reporter:
            self._parts.append(always("report", self._reporter.run))

    async def _end(self) -> None:
        for task in (*self._parts, *self._watched):
            task.cancel()
        await asyncio.gather(*self._parts, *self._watched, return_exceptions=True)
        await self._let_differ()
        await self._duties.close()
        self._health_server.close()
        await self._peers.close()
        await self._pool.close()

    async def _apply(self, mounted: mount.Mounted) -> None:
        config = mounted.config
        sources = await self._pool.use(config.upstreams)
        for task in self._watched:
            task.cancel()
        self._watched = (always("probes", lambda: self._probes.run(sources)),)
        peers = await self._peers.use(
            config.peers, alias=config.alias, context=mounted.peer_context, context_id=mounted.context_id
        )
        self._duties.apply(config, dict(zip(config.upstreams, sources, strict=True)), peers)
        await self._keep_equal(mounted)
        if config.check is None or config.check.upstream is None:
            self._rounds = None
            return
        checked = sources[config.upstreams.index(config.check.upstream)]
        self._rounds = Rounds(
            config.check, checked, self._changed, parallel=self._settings.check_parallel, before=self._rounds
        )
        self._watched += (always("check", self._rounds.run),)

    async def _keep_equal(self, mounted: mount.Mounted) -> None:
        """Compare a copy with those of the other replicas, until peers, certificates or `minFree` change."""
        config, wanted = mounted.config, None
        if config.store is not None and config.store.role is Role.COPY and self._settings.name and mounted.peer_context:
            wanted = config.peers, mounted.context_id, config.store.min_free
        if wanted == self._equals_of:
            return
        await self._let_differ()
        self._equals_of = wanted
        if wanted is not None and config.store is not None:
            hold, context = holding(self._duties.keeper), mounted.peer_context
            has_room, own = Room(self._duties.keeper.folder, config.store).has, self._settings.name
            equals = self._equals = Keeper(hold, config.peers, own=own, context=context, has_room=has_room)
            self._comparing = always("replicas", equals.run)

    async def _let_differ(self) -> None:
        equals, comparing, self._equals, self._comparing = self._equals, self._comparing, None, None
        if comparing is not None:
            comparing.cancel()
            await asyncio.gather(comparing, return_exceptions=True)
        if equals is not None:
            await equals.close()

    def _reloaded(self) -> None:
        current, error = self._reloader.current, self._reloader.error
        version = current.config.version if current else ""
        if error:
            log.emit("error", "configuration refused, the old one stays", version=version, error=error)
        else:
            log.emit("info", "configuration read", version=version)
        self._changed()

    def _changed(self) -> None:
        if self._reporter:
            self._reporter.changed()

    def _status(self) -> dict[str, Any]:
        check = self._rounds or self._duties.check
        versions = set(self._fleet.versions)
        if len(versions) == 1 and "" not in versions:
            self._version = versions.pop()  # in force is what all workers serve, not what some do already
        return status.build(
            version=self._version,
            error=self._reloader.error or next(iter(self._fleet.errors), ""),
            not_after=self._not_after,
            upstreams=self._probes.status(),
            check=check.progress.status() if check else None,
            store=self._store_status(),
            now=time.time(),
        )

    def _store_status(self) -> dict[str, Any] | None:
        found = self._duties.status()
        return found and {**found, "replicas": self._equals.status() if self._equals else None}

    @property
    def _not_after(self) -> float | None:
        return self._reloader.current.not_after if self._reloader.current else None

    def _health(self) -> health.Health:
        obstacles: list[str] = []
        if self._draining:
            obstacles.append("stopping")
        if self._reloader.current is None:
            obstacles.append(f"no valid configuration: {self._reloader.error or 'not read yet'}")
        elif self._reloader.current.not_after <= time.time():
            obstacles.append("the serving certificate has expired")
        if not any(self._fleet.versions):
            obstacles.append("no worker serves yet")
        return health.Health(obstacles, self._probes.status())

    def _render_metrics(self) -> bytes:
        serving = sum(1 for version in self._fleet.versions if version)
        self._metrics.update(self._status(), not_after=self._not_after, serving=serving)
        return self._metrics.render()
