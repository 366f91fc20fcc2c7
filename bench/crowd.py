"""Many nodes pull the same image that no cache has yet, through one replica of the gateway and through three.

What counts is what leaves the registry behind, by its own access log: it should send each byte once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import clients
from bench.client import PASSWORD, USER
from bench.material import PATH, path
from bench.rows import Row, row
from registry_gateway.access import PEER_GROUP
from tests.platform.upstream.access_log import accesses
from tests.support import gateway as support
from tests.support.certs import KeyPair, issue, make_ca
from tests.support.distribution import Distribution, distribution
from tests.support.gateway import wait_until
from tests.support.registry_client import RegistryClient

NODES, REPLICAS = 50, (1, 3)
LAYERS, LAYER_BYTES = 4, 256 * 1024 * 1024
LIMIT = 900.0  # seconds for all of them; all bytes go through two CPUs
AIM = 1.0


def bench(say: Callable[[str], None], *, nodes: int = NODES, layer_bytes: int = LAYER_BYTES) -> list[Row]:
    """Bytes sent by the registry behind in relation to the image's, and the seconds until the last node had it."""
    authority = make_ca("bench")
    pair = issue(authority, org=PEER_GROUP, names=["localhost"], ips=["127.0.0.1"], client=True)
    rows = []
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with distribution(folder / "upstream", tls=pair, ca=authority.cert) as registry:
            client = RegistryClient(registry.address, ca=authority.cert)
            digests = [client.push_blob(PATH, os.urandom(layer_bytes)) for _ in range(LAYERS)]
            for count in REPLICAS:
                say(f"crowd: {nodes} nodes pull {LAYERS} layers of {layer_bytes / 2**20:g} MiB from {count} replicas")
                before = egress(registry)
                with replicas(folder / f"{count}", registry.address, pair, authority, count=count) as addresses:
                    seconds = pull(folder, addresses, digests, nodes=nodes)
                whole = LAYERS * layer_bytes
                logged = partial(sent_at_least, registry, before + whole)
                wait_until(logged, what="line of its log", seconds=30)
                sent = (egress(registry) - before) / whole
                rows.append(row(f"crowd.{count}_replicas.egress", sent, "x", aim=AIM))
                rows.append(row(f"crowd.{count}_replicas.time", seconds, "s"))
    return rows


def pull(folder: Path, addresses: Sequence[str], digests: Sequence[str], *, nodes: int) -> float:
    """All nodes at the same time, each from one replica; seconds until the last one was done."""
    asked = folder / "asked"
    asked.write_text("".join(f"{path('blobs', digest)}\n" for digest in digests))
    arguments = [str(folder / "ca.crt"), str(asked), *addresses]
    return float(max(clients.run("bench.puller", arguments, count=nodes, limit=LIMIT)))


def sent_at_least(registry: Distribution, least: int) -> bool:
    """Whether its log has come that far: a request is written down when it is done."""
    return egress(registry) >= least


def egress(registry: Distribution) -> int:
    """Bytes of blobs sent so far."""
    found = accesses(registry.log.read_text(errors="replace"))
    return sum(one.size for one in found if one.method == "GET" and "/blobs/" in one.path)


@contextmanager
def replicas(folder: Path, upstream: str, pair: KeyPair, authority: KeyPair, *, count: int) -> Iterator[list[str]]:
    """Caches that know each other, without content; yields their addresses."""
    folder.mkdir()
    (folder.parent / "ca.crt").write_text(authority.cert)
    route = support.upstream(upstream, path=PATH, ca=authority.cert)
    # All nodes of the bench have one address, which on its own would be held back.
    options = ["--poll-seconds", "1", "--streams-per-client", str(10 * NODES)]

    def files(version: str, peers: dict[str, str]) -> dict[str, str]:
        document = json.loads(support.config([route], version=version, users={USER: PASSWORD}, peers=peers))
        document["store"] = {"role": "cache"}
        pem = {"tls.crt": pair.cert, "tls.key": pair.key, "ca.crt": authority.cert, "client-ca.crt": ""}
        return {"config.json": json.dumps(document), **pem}

    with ExitStack() as stack:
        running = {}
        for number in range(count):
            place, name = folder / f"{number}", f"m{number}"
            place.mkdir()
            mine = [*options, "--data", str(place / "data"), "--name", name]
            started = support.gateway(place, files("alone", {}), options=mine)
            running[name] = stack.enter_context(started)
        together = files("together", {name: gateway.address for name, gateway in running.items()})
        for gateway in running.values():
            gateway.secret.write(together)
        for gateway in running.values():
            gateway.wait_for_version("together")
        yield [gateway.address for gateway in running.values()]
