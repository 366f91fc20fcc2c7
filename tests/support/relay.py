"""A network between two programs that a test can cut and heal: a TCP relay on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Relay:
    """Passes connections to `port` on to the port that `target` names at that moment.

    Cut with `hang`, connections stay open and nothing passes, as when packets are dropped; else they are refused.
    """

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self.port = 0

    async def cut(self, *, hang: bool = False) -> None:
        """Let nothing through any more, of open connections neither."""
        if hang:
            self._passing.clear()
            return
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def heal(self) -> None:
        """Let everything through again."""
        self._passing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def __aenter__(self) -> Self:
        await self.heal()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._open.add(writer)
        try:
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", self._target())
            self._open.add(onward)
            try:
                await asyncio.gather(self._pass(reader, onward), self._pass(onward_reader, writer))
            finally:
                self._open.discard(onward)
                onward.transport.abort()
        except (OSError, RuntimeError, asyncio.CancelledError):  # cut, or closed: uvloop says so by RuntimeError
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            await self._passing.wait()
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
