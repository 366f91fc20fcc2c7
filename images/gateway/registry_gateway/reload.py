"""Watching the mounted directory: a new configuration is put in force, a broken one is reported and changes nothing.

The directory is looked at by `stat`, not by inotify: the platform swaps a link in it, network file systems send no
events, and a look costs some microseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from registry_gateway import log, mount
from registry_gateway.config import ConfigError

POLL_SECONDS = 1.0


class Reloader:
    """Keeps `current` in step with the directory. `apply` puts a configuration in force; if it raises, the old one
    stays.
    """

    def __init__(
        self, folder: Path, apply: Callable[[mount.Mounted], Awaitable[None]], *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._folder, self._apply, self._poll_seconds = folder, apply, poll_seconds
        self._seen: object = None
        self.current: mount.Mounted | None = None
        self.error = ""  # why the newest configuration is not in force; "" when it is

    async def poll(self) -> bool:
        """Look once. True when something was new, be it good or bad."""
        fingerprint = _fingerprint(self._folder)
        if fingerprint == self._seen:
            return False
        before = (self.current, self.error)
        try:
            mounted = mount.check(mount.read(self._folder))
            await self._apply(mounted)
        except ConfigError as error:
            self.error = str(error)
        except OSError:
            raise  # an address that cannot be had is not the configuration's mistake
        except Exception as error:  # a defect of ours must not take the configuration in force away
            self.error = f"cannot be put in force: {log.where(error)}"
        else:
            self.current, self.error = mounted, ""
        # A swap during the reading shows as another fingerprint at the next look.
        self._seen = fingerprint
        return (self.current, self.error) != before

    async def watch(self, changed: Callable[[], None]) -> None:
        """Look for ever; `changed` is told after every change."""
        while True:
            if await self.poll():
                changed()
            await asyncio.sleep(self._poll_seconds)


def _fingerprint(folder: Path) -> object:
    return tuple(_stat(folder / name) for name in ("..data", *mount.FILES))


def _stat(path: Path) -> tuple[int, ...]:
    try:
        found, link = path.stat(), path.lstat()
    except OSError:
        return ()
    return (found.st_ino, found.st_mtime_ns, found.st_size, link.st_ino, link.st_mtime_ns)
