"""The gateway as a real process, and the mounted directory it reads, swapped as kubelet swaps a Secret."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2] / "images" / "gateway"
START_DEADLINE = 90.0  # seconds; three Pythons start, on a machine that may be busy


class MountedSecret:
    """A directory like a mounted Secret: files are links through `..data`, which is replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._generation = 0

    def write(self, files: Mapping[str, str]) -> None:
        """Put `files` in place of all that was there, in one step."""
        self._generation += 1
        fresh = self.folder / f"..generation_{self._generation}"
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_text(content)
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(Path("..data") / name)
        swap = self.folder / "..data_tmp"
        swap.symlink_to(fresh.name)
        swap.rename(self.folder / "..data")
        old = self.folder / f"..generation_{self._generation - 1}"
        if old.exists():
            shutil.rmtree(old)


def upstream(
    host: str, *, path: str = "deckhouse/ee", scheme: str = "https", user: str = "", password: str = "", ca: str = ""
) -> dict[str, str]:
    """An UPSTREAM of the gateway's configuration; its id follows from what it says."""
    entry = {"scheme": scheme, "host": host, "path": path, "user": user, "password": password, "ca": ca}
    return {"id": hashlib.sha256(json.dumps(entry).encode()).hexdigest()[:16], **entry}


def config(
    routes: Sequence[Mapping[str, str]],
    *,
    version: str = "v1",
    check: Mapping[str, Any] | None = None,
    users: Mapping[str, str] | None = None,
    nodes: bool = True,
    anonymous: bool = False,
    store: Mapping[str, Any] | None = None,
    peers: Mapping[str, str] | None = None,
) -> str:
    """config.json; `users` maps names to passwords, all with the right to pull, `peers` names to `address:port`."""
    entries = [
        {"name": name, "sha256": hashlib.sha256(password.encode()).hexdigest(), "rights": "pull"}
        for name, password in (users or {}).items()
    ]
    return json.dumps(
        {
            "schema": 1,
            "version": version,
            "alias": "system/deckhouse",
            "routes": list(routes),
            "check": check,
            "clients": {"nodes": nodes, "anonymous": anonymous, "users": entries},
            "store": store,
            "peers": [{"name": name, "host": host} for name, host in (peers or {}).items()],
        }
    )


@dataclass
class Gateway:
    """A running gateway: `address` of the API, `health` of the loopback server."""

    address: str
    health: str
    process: subprocess.Popen[bytes]
    log: Path
    secret: MountedSecret
    workers: int = 2

    def get(self, path: str) -> tuple[int, str]:
        """Status and body from the health server."""
        try:
            with urllib.request.urlopen(f"http://{self.health}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wait_for_version(self, version: str, *, seconds: float = START_DEADLINE) -> None:
        """Wait until every worker serves `version`. Raises AssertionError with the log's tail."""
        wanted = f'registry_gateway_config_info{{version="{version}"}} 1.0'

        def there() -> bool:
            text = self.get("/metrics")[1]
            return wanted in text and f"registry_gateway_workers_serving {self.workers}.0" in text

        wait_until(there, what=f"version {version}", seconds=seconds, log=self.log)

    def wait_for_refusal(self, *, seconds: float = START_DEADLINE) -> None:
        """Wait until a newer configuration has been refused."""
        wait_until(self.refuses, what="a refusal", seconds=seconds, log=self.log)

    def refuses(self) -> bool:
        """Whether a newer configuration than the one in force was refused."""
        return "registry_gateway_config_refused 1.0" in self.get("/metrics")[1]

    def lines(self) -> list[dict[str, Any]]:
        """The log so far, parsed."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def metric(self, name: str) -> float:
        """The sum of all series of `name`."""
        found = re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return sum(float(value) for value in found)


@contextmanager
def gateway(
    folder: Path,
    files: Mapping[str, str],
    *,
    workers: int = 2,
    options: Sequence[str] = (),
    wait: bool = True,
    host: str = "127.0.0.1",
    address: str = "",
    wrapper: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Gateway]:
    """Run the gateway on free ports of `host` until the block ends, or at `address`; `files` are the Secret's keys."""
    secret = MountedSecret(folder / "config")
    if files:
        secret.write(files)
    address, health = address or f"{host}:{free_port()}", f"127.0.0.1:{free_port()}"
    log = folder / "gateway.log"
    command = [sys.executable, "-m", "registry_gateway", "serve", "--config", str(secret.folder), "--listen", address]
    command += ["--health", health, "--workers", str(workers), "--poll-seconds", "0.1", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*wrapper, *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            # TMPDIR: what a killed gateway leaves behind goes with the test's folder.
            env={**os.environ, "PYTHONPATH": str(PACKAGE), "TMPDIR": str(folder), **(environment or {})},
        )
    running = Gateway(address, health, process, log, secret, workers)
    try:
        if wait:
            wait_until(lambda: _ready(running), what="readiness", seconds=START_DEADLINE, log=log)
            running.wait_for_version(json.loads(files["config.json"])["version"])
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(condition: Any, *, what: str, seconds: float, log: Path | None = None) -> None:
    """Wait for `condition()` to be true, looking every 20 ms. Raises AssertionError when it is not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    tail = log.read_text(errors="replace")[-3000:] if log else ""
    raise AssertionError(f"no {what} within {seconds} s\n{tail}")


def free_port() -> int:
    """A port that was free a moment ago on the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(running: Gateway) -> bool:
    if running.process.poll() is not None:
        raise AssertionError("the gateway ended:\n" + running.log.read_text(errors="replace")[-3000:])
    try:
        return running.get("/readyz")[0] == 200
    except OSError:
        return False
