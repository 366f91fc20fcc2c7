"""The real distribution registry for tests: TLS, Basic (htpasswd) or Bearer (token) authentication.

    with distribution(folder, tls=pair, ca=ca.cert, auth=Basic({"reader": "secret"})) as registry:
        registry.address        # "127.0.0.1:43211"

`listen` and `wrapper` put it into a network namespace: `listen="198.51.100.9:5000"`,
`wrapper=["ip", "netns", "exec", "upstream"]`.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt

from tests.support.certs import KeyPair

BINARY = Path(__file__).parents[2] / "tools" / "bin" / "distribution"
START_DEADLINE = 15.0  # seconds


@dataclass(frozen=True)
class Basic:
    """htpasswd authentication: name → password."""

    users: Mapping[str, str]


@dataclass(frozen=True)
class Bearer:
    """Token authentication: where tokens come from and the certificate (PEM) that signs them."""

    realm: str
    issuer: str
    service: str
    signing_cert: str


@dataclass(frozen=True)
class Distribution:
    """A running registry. `address` is host:port; `log` is its log file; `data` its storage folder."""

    scheme: str
    address: str
    ca: str
    data: Path
    log: Path
    pid: int


@contextmanager
def distribution(
    folder: Path,
    *,
    tls: KeyPair | None = None,
    ca: str = "",
    auth: Basic | Bearer | None = None,
    listen: str = "127.0.0.1:0",
    wrapper: Sequence[str] = (),
) -> Iterator[Distribution]:
    """Run the registry with its files below `folder` until the block ends. `ca` is only handed through to the caller.

    Raises RuntimeError with the tail of its log when it does not listen within START_DEADLINE.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "config.json", folder / "distribution.log"
    config.write_text(json.dumps(_config(folder, tls=tls, auth=auth, listen=listen)))  # JSON is YAML
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*wrapper, str(BINARY), "serve", str(config)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        address = _wait_for_address(process, log)
        yield Distribution("https" if tls else "http", address, ca, folder / "data", log, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _config(folder: Path, *, tls: KeyPair | None, auth: Basic | Bearer | None, listen: str) -> dict[str, Any]:
    http: dict[str, Any] = {"addr": listen, "secret": "only-tests"}
    if tls:
        cert, key = tls.write(folder, "tls")
        http["tls"] = {"certificate": str(cert), "key": str(key)}
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": http,
    }
    if isinstance(auth, Basic):
        htpasswd = folder / "htpasswd"
        htpasswd.write_text("".join(f"{name}:{_hash(password)}\n" for name, password in auth.users.items()))
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(htpasswd)}}
    elif isinstance(auth, Bearer):
        bundle = folder / "token-signing.crt"
        bundle.write_text(auth.signing_cert)
        config["auth"] = {
            "token": {
                "realm": auth.realm,
                "issuer": auth.issuer,
                "service": auth.service,
                "rootcertbundle": str(bundle),
            }
        }
    return config


def _hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()  # 4: tests need no hard hashes


def _wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"listening on ([0-9A-Fa-f.:\[\]]+:[0-9]+)", log.read_text(errors="replace"))
        if found:
            return found.group(1)
        time.sleep(0.02)
    raise RuntimeError("distribution did not start:\n" + log.read_text(errors="replace")[-2000:])
