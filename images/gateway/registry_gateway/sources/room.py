"""Whether there is room for more in the store."""

from __future__ import annotations

import os
from pathlib import Path

from registry_gateway.config import Upstream
from registry_gateway.config_store import Role, StoreConfig


class Room:
    """The room that a store in `folder` with these `settings` may take."""

    def __init__(self, folder: Path | None, settings: StoreConfig[Upstream]) -> None:
        self._folder, self._min_free = folder, settings.min_free
        self._largest = settings.size if settings.role is Role.CACHE else 0

    def has(self, size: int = 1) -> bool:
        """Whether `size` more bytes fit: on the disk, and into a cache at all."""
        if self._largest and size > self._largest:
            return False
        return self._folder is None or free(self._folder) - size >= self._min_free


def free(folder: Path) -> int:
    """Bytes that may yet be written on the disk of `folder`; 0 when that cannot be told."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize
