"""A network namespace of a registry's own on the cluster's bridge."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def namespace(name: str, *, address: str, bridge: str) -> Iterator[list[str]]:
    """Makes namespace `name` with `address`/24 as eth0 behind `bridge`; yields what to put before a command.

    This host's side of the bridge is the first address of that network.
    What an interrupted run left under that name is removed first. Raises subprocess.CalledProcessError.
    """
    outside = f"rgu-{name[-11:]}"  # an interface name has at most 15 characters
    _remove(name, outside)
    try:
        _ip("netns", "add", name)
        _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", outside, "master", bridge, "up")
        _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", name, "link", "set", device, "up")
        _ip("-n", name, "route", "add", "default", "via", f"{address.rpartition('.')[0]}.1")
        yield ["nsenter", f"--net=/var/run/netns/{name}"]
    finally:
        _remove(name, outside)


def _remove(name: str, outside: str) -> None:
    # The interface first: a namespace goes only with its last process, and the interface with the namespace.
    _ip("link", "delete", outside, check=False)
    _ip("netns", "delete", name, check=False)


def _ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)
