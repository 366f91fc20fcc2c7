"""The network between two machines, taken away and given back; a third one reaches both."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import cast

import pytest

from tests.platform.cluster.faults import Cuts
from tests.platform.cluster.machine import Machine
from tests.platform.cluster.network import ip

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs network namespaces")]


@dataclass(frozen=True)
class Place:
    """As much of a machine as the network knows."""

    pid: int
    address: str


@contextmanager
def place(address: str) -> Iterator[Place]:
    """A network namespace that lives as long as its only process."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo up; exec sleep infinity"], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        yield Place(holder.pid, address)
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()


@pytest.fixture
def places() -> Iterator[list[Place]]:
    """Three of them behind a bridge that is in a fourth one."""
    with ExitStack() as stack:
        *ends, middle = [stack.enter_context(place(f"198.51.100.{n}")) for n in (11, 12, 13, 1)]
        ip("link", "add", "bridge", "type", "bridge", namespace=middle.pid)
        ip("link", "set", "bridge", "up", namespace=middle.pid)
        for number, end in enumerate(ends):
            peer = ("type", "veth", "peer", "name", "eth0", "netns", str(end.pid))
            ip("link", "add", f"to{number}", *peer, namespace=middle.pid)
            ip("link", "set", f"to{number}", "master", "bridge", "up", namespace=middle.pid)
            ip("address", "add", f"{end.address}/24", "dev", "eth0", namespace=end.pid)
            ip("link", "set", "eth0", "up", namespace=end.pid)
        yield ends


def reaches(one: Place, other: Place, *, patience: float = 10) -> bool:
    """Whether a packet and its answer go through: nobody listens, so a refusal is the answer."""
    ask = f"s = socket.socket(); s.settimeout({patience}); print(s.connect_ex(({other.address!r}, 5001)))"
    command = ["nsenter", f"--net=/proc/{one.pid}/ns/net", "python3", "-I", "-S", "-c", f"import socket; {ask}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) == errno.ECONNREFUSED


def test_a_cut_is_between_two_both_ways_and_ends(places: list[Place]) -> None:
    one, other, third = places
    cuts, machines = Cuts(), [cast(Machine, each) for each in places]
    assert reaches(one, other)
    cuts.add(machines[0], machines[1])
    assert not reaches(one, other, patience=0.3)
    assert not reaches(other, one, patience=0.3)
    assert reaches(third, one)
    assert reaches(other, third)
    cuts.remove(machines[1], machines[0])
    assert reaches(one, other)
    assert reaches(other, one)


def test_who_is_switched_off_leaves_no_cut_behind(places: list[Place]) -> None:
    one, other, third = places
    cuts, machines = Cuts(), [cast(Machine, each) for each in places]
    cuts.add(machines[0], machines[1])
    cuts.add(machines[2], machines[0])
    cuts.forget(machines[0])
    assert reaches(other, one)
    assert reaches(third, one)
