"""Servers that keep content on disk, as processes of the bench: the gateway with a store, and distribution.

Both log every access, have one CPU, and write to the disk that their folder is on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench import ours
from bench.running import Server, Tls, running
from tests.support.distribution import BINARY
from tests.support.gateway import free_port

Role = Literal["cache", "copy"]


@dataclass(frozen=True)
class Keeper:
    """A running server and the folder where it keeps each blob in a file of its own."""

    server: Server
    files: Path

    def keeps(self, digest: str) -> bool:
        """Whether a blob is in its place."""
        algorithm, _, value = digest.partition(":")
        place = self.files / algorithm
        return (place / value).is_file() or (place / value[:2] / value / "data").is_file()


@contextmanager
def gateway(folder: Path, tls: Tls, *, role: Role, upstream: str = "", wrapper: Sequence[str]) -> Iterator[Keeper]:
    """A cache in front of `upstream` (host:port), or a copy into which USER may push."""
    config = ours.configuration(tls, upstream=upstream)
    config["store"] = {"role": role}
    for user in config["clients"]["users"]:
        user["rights"] = "push" if role == "copy" else "pull"
    data = folder / "data"
    options = ["--data", str(data), "--name", "bench"]
    with ours.gateway(folder, tls, config, options=options, wrapper=wrapper) as server:
        yield Keeper(server, data / "blobs")


@contextmanager
def distribution(folder: Path, tls: Tls, *, upstream: str = "", wrapper: Sequence[str]) -> Iterator[Keeper]:
    """A registry to push into, or with `upstream` (host:port) its pull-through cache."""
    if not BINARY.exists():
        raise RuntimeError(f"{BINARY} is not there: run `make tools`")
    folder.mkdir(parents=True)
    address, data = f"127.0.0.1:{free_port()}", folder / "data"
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(data)}},
        "http": {
            "addr": address,
            "secret": "only-bench",
            "tls": {"certificate": str(tls.certificate), "key": str(tls.key)},
        },
    }
    if upstream:
        config["proxy"] = {"remoteurl": f"https://{upstream}"}
    (folder / "config.json").write_text(json.dumps(config))  # JSON is YAML
    command = [*wrapper, "env", "GOMAXPROCS=1", f"SSL_CERT_FILE={tls.ca}", str(BINARY)]
    with running([*command, "serve", str(folder / "config.json")], address, log=folder / "distribution.log") as server:
        yield Keeper(server, data / "docker" / "registry" / "v2" / "blobs")
