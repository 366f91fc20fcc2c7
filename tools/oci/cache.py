"""Folders that survive a clone: built once for a key, complete or absent."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def cache_root() -> Path:
    """Where everything built is kept; REGISTRY_MODULE_CACHE moves it (the same variable as in tools/build)."""
    if chosen := os.environ.get("REGISTRY_MODULE_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "registry-module"


def key_of(*parts: str | bytes | Path) -> str:
    """16 hex digits over texts, bytes, and the content of files and folders (with the paths inside them)."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for file in sorted(_files(part)):
                name = file.relative_to(part).as_posix().encode()
                _add(total, name)
                _add(total, file.read_bytes())
        else:
            _add(total, part.encode() if isinstance(part, str) else part)
    return total.hexdigest()[:16]


def cached(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `name-key` of the cache; `make` fills it when it is not there yet, and says so with the time it took.

    Two builders at once are harmless: each fills a folder of its own, and the first to finish wins.
    """
    target = cache_root() / name.split("/")[0] / f"{name.rsplit('/', maxsplit=1)[-1]}-{key}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    print(f"{name}: building (once; kept in {target.parent}) ...", flush=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        make(work)
        work.chmod(0o755)
        try:
            work.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{name}: built in {time.monotonic() - started:.1f} s", flush=True)
    return target


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts]


def _add(total: hashlib._Hash, data: bytes) -> None:
    total.update(f"{len(data)}:".encode())
    total.update(data)
