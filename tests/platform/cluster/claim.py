"""Becoming the one cluster of this machine, after whoever was before."""

from __future__ import annotations

import os

from . import ownership
from .site import Site
from .teardown import teardown

WAIT_VARIABLE = "REGISTRY_CLUSTER_WAIT"  # seconds, for machines that several people test on


def claim(site: Site, *, kept: bool) -> None:
    """Mark this machine as taken by the cluster in `site.folder`. What a crashed process left behind is removed first.

    Raises ClusterError when another cluster lives, and still does after as many seconds as WAIT_VARIABLE says.
    """
    there = ownership.owner()
    patience = float(os.environ.get(WAIT_VARIABLE, "0"))
    if there and not there.abandoned and patience:
        site.say(f"waiting for the end of the cluster in {there.folder}")
        site.wait(f"end of {there.folder}", lambda: not ownership.in_use(), within=patience, every=1)
        there = ownership.owner()
    if there and there.abandoned:
        site.say(f"removing what process {there.pid} left behind in {there.folder}")
        teardown(there.folder)
    ownership.claim(site.folder, kept=kept)
