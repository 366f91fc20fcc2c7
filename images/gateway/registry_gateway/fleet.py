"""The workers as the parent sees them: started, started again when they die, told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from registry_gateway import log

STABLE_SECONDS = 10.0  # a worker that lived this long is started again at once
LONGEST_PAUSE = 5.0  # seconds between starts of one that keeps dying


@dataclass(slots=True)
class _Slot:
    number: int
    process: Process | None = None
    version: str = ""
    error: str = ""


class Fleet:
    """`count` workers, each started as `command` plus `--channel FD`. `changed` is told whenever one says or becomes
    something new."""

    def __init__(
        self, command: Sequence[str], *, count: int, environment: Mapping[str, str], changed: Callable[[], None]
    ) -> None:
        self._command, self._environment, self._changed = tuple(command), dict(environment), changed
        self._slots = [_Slot(number) for number in range(count)]
        self._stopping = False
        self._keepers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start all of them."""
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in self._slots]

    @property
    def versions(self) -> list[str]:
        """The version each worker serves, "" for one that serves none (yet)."""
        return [slot.version for slot in self._slots]

    @property
    def errors(self) -> list[str]:
        """What workers complain of."""
        return [slot.error for slot in self._slots if slot.error]

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [slot.process.pid for slot in self._slots if slot.process is not None]

    async def stop(self, *, seconds: float) -> None:
        """Ask all to finish, and end those that have not after `seconds`."""
        self._stopping = True
        for slot in self._slots:
            if slot.process is not None and slot.process.returncode is None:
                slot.process.send_signal(signal.SIGTERM)
        _, late = await asyncio.wait(self._keepers, timeout=seconds)
        for slot in self._slots:
            if late and slot.process is not None and slot.process.returncode is None:
                slot.process.kill()
        for keeper in late:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _keep(self, slot: _Slot) -> None:
        loop, quick_deaths = asyncio.get_running_loop(), 0
        while not self._stopping:
            started = loop.time()
            code, defect = None, ""
            try:
                code = await self._live(slot)
            except Exception as error:  # no memory for a process, or one that says what nobody understands
                defect = log.where(error)
            if self._stopping:
                return
            quick_deaths = 0 if loop.time() - started > STABLE_SECONDS else quick_deaths + 1
            pause = min(0.1 * 2**quick_deaths, LONGEST_PAUSE) if quick_deaths else 0.0
            log.emit("error", "worker died", worker=slot.number, code=code, error=defect, next_start_in=pause)
            await asyncio.sleep(pause)

    async def _live(self, slot: _Slot) -> int:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            slot.process = process = await asyncio.create_subprocess_exec(
                *self._command, "--channel", str(theirs.fileno()), pass_fds=(theirs.fileno(),), env=self._environment
            )
            theirs.close()  # with it open here, the channel would not end with the worker
            try:
                return await self._listen(slot, process, ours)
            finally:
                if process.returncode is None:  # nobody listens to it any more
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
                slot.process, slot.version, slot.error = None, "", ""
                self._changed()

    async def _listen(self, slot: _Slot, process: Process, channel: socket.socket) -> int:
        reader, writer = await asyncio.open_unix_connection(sock=channel.dup())
        try:
            while line := await reader.readline():
                state = json.loads(line)
                slot.version, slot.error = str(state["version"]), str(state["error"])
                self._changed()
            return await process.wait()
        finally:
            writer.close()


def worker_command() -> list[str]:
    """How this program starts itself as a worker, up to the worker's own options."""
    return [sys.executable, "-m", "registry_gateway", "worker"]
