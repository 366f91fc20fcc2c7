"""Looking at a gateway's processes and asking it as user `ro`."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path

from tests.support.gateway import Gateway

LOGIN = {"Authorization": "Basic cm86cm8tcGFzc3dvcmQ="}  # ro:ro-password
USERS = {"ro": "ro-password"}


def children(running: Gateway) -> list[int]:
    tasks = Path(f"/proc/{running.process.pid}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ask(running: Gateway, context: ssl.SSLContext, path: str = "/v2/") -> http.client.HTTPResponse:
    host, _, port = running.address.rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
    connection.request("GET", path, headers=LOGIN)
    return connection.getresponse()


def refused(running: Gateway) -> bool:
    host, _, port = running.address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


def descriptors(running: Gateway) -> list[int]:
    return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in children(running)]
