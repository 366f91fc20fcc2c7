"""Removal of everything a cluster put on this machine, by pid files and names alone: works after any crash."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path

from . import ownership, plan
from .failure import ClusterError
from .network import remove_links
from .process import end_recorded
from .waiting import wait_for

CGROUPS = Path("/sys/fs/cgroup")
KEPT = ("logs",)  # of the folder; why something failed is often asked afterwards


def teardown(folder: Path) -> None:
    """End every process of the cluster kept in `folder`; remove interfaces, cgroups, data and the mark of ownership.

    Raises ClusterError when something does not go away, or when the cluster on this machine is kept elsewhere: names
    and addresses are the same for every cluster, so that one would be hit.
    """
    there = ownership.owner()
    if there and there.folder != folder:
        raise ClusterError(f"the cluster on this machine is kept in {there.folder}, not in {folder}")
    _switch_machines_off()
    # no grace: nothing that they would put in order on SIGTERM is kept
    for record in sorted(ownership.RECORDS.glob("*.json")):
        end_recorded(record, grace=0)
    remove_links()
    wait_for("cgroups are removed", _remove_cgroups, within=15, every=0.05, detail=lambda: str(_cgroups()))
    for entry in folder.iterdir() if folder.exists() else ():
        if entry.name not in KEPT:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()  # when there are no logs either
    ownership.release(folder)


def _switch_machines_off() -> None:
    """Kill whatever is in the cgroups of machines: only machines have cgroups with our prefix."""
    for group in _cgroups():
        for tasks in group.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                for pid in tasks.read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)


def _cgroups() -> list[Path]:
    return sorted(CGROUPS.glob(f"*/{plan.CGROUP_PREFIX}*"))


def _remove_cgroups() -> bool:
    """Remove what is empty, deepest first. A group is busy until the kernel has buried the last process of it."""
    for top in _cgroups():
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
    return not _cgroups()
