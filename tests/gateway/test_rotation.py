"""Everything that is ever rotated is, one thing after another, while 50 clients pull: not one of them fails."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.gateway.endless import Client
from tests.gateway.listening import until
from tests.gateway.material import Material
from tests.gateway.processes import LOGIN, USERS
from tests.support.certs import KeyPair, issue, issue_node, make_ca
from tests.support.fault_server import Asked, FaultServer, Reply
from tests.support.gateway import Gateway, config, gateway, upstream

CLIENTS = 50
MANIFEST, BLOB = b"m" * 2000, b"b" * 20_000
PATHS = {
    "/v2/system/deckhouse/manifests/v1": MANIFEST,
    "/v2/system/deckhouse/blobs/sha256:" + "0" * 64: BLOB,
}
OLD, NEW = ("puller", "old-password"), ("puller", "new-password")
# All of them share this machine: being slow is no failure here.
PATIENT = ("--connect-seconds", "30", "--first-byte-seconds", "30")


def basic(pair: tuple[str, str]) -> str:
    return aiohttp.encode_basic_auth(*pair)


@dataclass
class Registry:
    """Content for those who come with one of the pairs in `accepts`."""

    accepts: set[tuple[str, str]]

    def __call__(self, asked: Asked) -> Reply:
        if asked.header("Authorization") not in {basic(pair) for pair in self.accepts}:
            return Reply(401, {"WWW-Authenticate": 'Basic realm="r"'})
        if asked.path == "/v2/":
            return Reply(200, body=b"{}")
        return Reply(200, body=BLOB if "/blobs/" in asked.path else MANIFEST)


@dataclass
class Pullers:
    """Clients that pull for ever: users, nodes, and holders of the registry's own credentials, a third each.

    What they come with may be changed at any time; each takes it up with its next connection.
    """

    address: str
    trust: ssl.SSLContext
    node: ssl.SSLContext
    pull_secret: tuple[str, str]
    failures: list[str] = field(default_factory=list)
    pulls: list[int] = field(default_factory=lambda: [0] * CLIENTS)

    async def run(self, number: int) -> None:
        """Connect, pull, leave, again and again."""
        while True:
            client = self._client(number)
            try:
                await client.connect()
                for path, expected in PATHS.items():
                    assert await client.read(await client.ask(path)) == expected
                client.close()
            except (OSError, EOFError, AssertionError) as error:
                self.failures.append(f"{number}: {error!r}")
            self.pulls[number] += 1
            await asyncio.sleep(0.05)  # leaves the machine to the gateway

    async def all_pull(self) -> None:
        """Return when each client has pulled from beginning to end after this moment."""
        before = list(self.pulls)
        await until(lambda: all(now >= then + 2 for now, then in zip(self.pulls, before, strict=True)), seconds=60)

    def _client(self, number: int) -> Client:
        if number % 3 == 0:
            return Client(self.address, self.node, number=number, login="")
        login = LOGIN["Authorization"] if number % 3 == 1 else basic(self.pull_secret)
        return Client(self.address, self.trust, number=number, login=login)


@dataclass
class Rotation:
    """The Secret as it is, of which each step changes something."""

    running: Gateway
    material: Material
    pullers: Pullers
    files: dict[str, str]
    host: str
    step: int = 1
    pairs: tuple[tuple[str, str], ...] = (OLD,)

    async def change(self, **files: str) -> None:
        """Write the Secret with `files` replaced; return when that is in force and everybody has pulled under it."""
        self.step += 1
        names = {"tls_crt": "tls.crt", "tls_key": "tls.key", "ca": "ca.crt", "client_ca": "client-ca.crt"}
        self.files |= {names[name]: content for name, content in files.items()}
        self.files["config.json"] = configuration(self.host, self.pairs, version=f"v{self.step}")
        self.running.secret.write(self.files)
        await asyncio.to_thread(self.running.wait_for_version, f"v{self.step}")
        await self.pullers.all_pull()


def configuration(host: str, pairs: tuple[tuple[str, str], ...], *, version: str) -> str:
    routes = [upstream(host, scheme="http", user=user, password=password) for user, password in pairs]
    return config(routes, users=USERS, version=version)


@pytest.mark.timeout(240)
async def test_nothing_fails_while_everything_is_rotated(material: Material, folder: Path) -> None:
    registry, new_ca, new_client_ca = Registry({OLD}), make_ca("module CA 2"), make_ca("kubernetes 2")
    trusts = ssl.create_default_context(cadata=material.ca.cert + new_ca.cert)
    node = ssl.create_default_context(cadata=material.ca.cert + new_ca.cert)
    node.load_cert_chain(*material.stored(material.node))
    async with FaultServer(registry) as server:
        files = material.files(configuration(server.address, (OLD,), version="v1"))
        with gateway(folder, files, options=PATIENT) as running:
            pullers = Pullers(running.address, trusts, node, OLD)
            tasks = [asyncio.create_task(pullers.run(number)) for number in range(CLIENTS)]
            rotation = Rotation(running, material, pullers, files, server.address)
            await pullers.all_pull()
            await upstream_credentials(rotation, registry)
            await serving_certificate(rotation)
            await authorities(rotation, new_ca.cert, issue(new_ca, names=["localhost"], ips=["127.0.0.1"]))
            fresh = issue_node(new_client_ca, "worker-1")
            await rotation.change(client_ca=material.client_ca.cert + new_client_ca.cert)
            node.load_cert_chain(*material.stored(fresh))
            await pullers.all_pull()
            await rotation.change(client_ca=new_client_ca.cert)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert pullers.failures == []
            assert {line["status"] for line in running.lines() if line["message"] == "request"} == {200}


async def upstream_credentials(rotation: Rotation, registry: Registry) -> None:
    rotation.pairs = (NEW, OLD)
    await rotation.change()  # the registry does not know the new pair yet
    registry.accepts = {OLD, NEW}
    await rotation.pullers.all_pull()
    registry.accepts = {NEW}
    await rotation.pullers.all_pull()  # some still come with the old pair, as pods with an old pull secret do
    rotation.pullers.pull_secret = NEW
    await rotation.pullers.all_pull()
    rotation.pairs = (NEW,)
    await rotation.change()


async def serving_certificate(rotation: Rotation) -> None:
    renewed = issue(rotation.material.ca, names=["localhost"], ips=["127.0.0.1"])
    await rotation.change(tls_crt=renewed.cert, tls_key=renewed.key)


async def authorities(rotation: Rotation, new_ca: str, of_new_ca: KeyPair) -> None:
    await rotation.change(ca=rotation.material.ca.cert + new_ca)
    await rotation.change(tls_crt=of_new_ca.cert, tls_key=of_new_ca.key)
    await rotation.change(ca=new_ca)
