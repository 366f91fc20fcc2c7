"""The gateway as a process of the bench: one worker, its configuration read as often as where it is deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.client import PASSWORD, USER
from bench.material import PATH
from bench.running import Server, Tls
from tests.support import gateway as support


def configuration(tls: Tls, *, upstream: str = "") -> dict[str, Any]:
    """config.json with the registry at `upstream` (host:port; empty: none) as its only route, for USER."""
    routes = [support.upstream(upstream, path=PATH, ca=tls.ca.read_text())] if upstream else []
    document: dict[str, Any] = json.loads(support.config(routes, users={USER: PASSWORD}))
    return document


@contextmanager
def gateway(
    folder: Path, tls: Tls, config: Mapping[str, Any], *, options: Sequence[str] = (), wrapper: Sequence[str]
) -> Iterator[Server]:
    """Run it until the block ends."""
    files = {
        "config.json": json.dumps(config),
        "tls.crt": tls.certificate.read_text(),
        "tls.key": tls.key.read_text(),
        "ca.crt": tls.ca.read_text(),
        "client-ca.crt": "",
    }
    folder.mkdir(parents=True)
    options = ["--poll-seconds", "1", *options]
    with support.gateway(folder, files, workers=1, options=options, wrapper=wrapper) as running:
        yield Server(running.address, running.process.pid)
