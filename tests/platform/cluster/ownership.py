"""One cluster at a time on a machine: addresses and interface names are fixed, so a second one must fail clearly."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from .failure import ClusterError
from .process import birth

# Not in the cluster's folder: whoever deletes that while the cluster runs leaves us a way to end it.
HOME = Path("/run/registry-module-cluster")
MARK = HOME / "owner.json"
RECORDS = HOME / "pids"  # one file per process that was started


@dataclass(frozen=True)
class Owner:
    """Who made the cluster that is there: the folder it is kept in, the process, and whether it outlives that."""

    folder: Path
    pid: int
    birth: int | None
    kept: bool

    @property
    def abandoned(self) -> bool:
        """Whether its process is gone although the cluster was not meant to stay."""
        return not self.kept and (self.birth is None or birth(self.pid) != self.birth)


def owner() -> Owner | None:
    """The owner of the cluster on this machine, if there is one."""
    try:
        entry = json.loads(MARK.read_text())
    except (OSError, ValueError):
        return None
    return Owner(Path(entry["folder"]), int(entry["pid"]), entry["birth"], bool(entry["kept"]))


def in_use() -> bool:
    """Whether somebody's cluster is on this machine and not left behind by a crash."""
    there = owner()
    return there is not None and not there.abandoned


def claim(folder: Path, *, kept: bool) -> None:
    """Become the owner. Raises ClusterError when somebody is already."""
    mark = {"folder": str(folder), "pid": os.getpid(), "birth": birth(os.getpid()), "kept": kept}
    while True:
        HOME.mkdir(exist_ok=True)
        try:
            with MARK.open("x") as file:
                file.write(json.dumps(mark))
            return
        except FileExistsError:
            raise ClusterError(_busy()) from None
        except FileNotFoundError:
            continue  # the owner before us was just leaving, and took the empty folder along


def release(folder: Path) -> None:
    """Stop being the owner; nothing happens when another folder's cluster is."""
    there = owner()
    if there is None or there.folder == folder:
        MARK.unlink(missing_ok=True)
        for empty in (RECORDS, HOME):
            with contextlib.suppress(OSError):  # not empty, or not there
                empty.rmdir()


def _busy() -> str:
    there = owner()
    if there is None:
        return f"{MARK} is there but unreadable; if no test cluster runs here, remove it"
    return (
        f"a test cluster is already on this machine: {there.folder}, made by process {there.pid}. There can be one. "
        f"Wait for it, or: python -m tests.platform.cluster down --dir {there.folder}"
    )
