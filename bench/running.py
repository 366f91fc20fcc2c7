"""A server as a process of the bench: started on a free port of loopback, waited for, ended."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.gateway import wait_until

START_SECONDS, STOP_SECONDS = 10.0, 10.0


@dataclass(frozen=True)
class Tls:
    """Files in PEM: what to serve with, and the authority of all servers."""

    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True)
class Server:
    """A running server: `address` is host:port, `pid` that of its first process."""

    address: str
    pid: int


@contextmanager
def running(command: Sequence[str], address: str, *, log: Path) -> Iterator[Server]:
    """Run `command` until the block ends; it must accept connections at `address`. `log` gets its output.

    Raises AssertionError with the log's tail when it does not, RuntimeError when it ends.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: _accepts(process, address, log), what=command[0], seconds=START_SECONDS, log=log)
        yield Server(address, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def binary(name: str) -> str:
    """The path of a program of the system. Raises RuntimeError when it is missing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not there: run `make tools`")
    return found


def _accepts(process: subprocess.Popen[bytes], address: str, log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"it ended with code {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
