"""The containerd of tools/containerd-rewrite, pulling from real registries by paths they do not have."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.platform_tests.containerd import Containerd, containerd
from tests.support.certs import KeyPair, issue, make_ca
from tests.support.distribution import Basic, Bearer, Distribution, distribution
from tests.support.images import build_image, push_image
from tests.support.token_server import TokenServer

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(60),  # starts real daemons
    pytest.mark.skipif(os.geteuid() != 0, reason="containerd needs root"),
]

VIRTUAL = "registry.d8-system.svc:5001"
USER, PASSWORD = "puller", "secret-1"
LOGIN = f"{USER}:{PASSWORD}"
RULE = ("^system/deckhouse(/|$)", "deckhouse/ee${1}")


@dataclass(frozen=True)
class World:
    daemon: Containerd
    registry: Distribution
    tokens: TokenServer  # asked only when the registry wants Bearer

    def route(self, *rules: tuple[str, str]) -> None:
        """hosts.toml that sends the virtual address to the registry, with rewrite rules (regex, replacement)."""
        url = f"https://{self.registry.address}"
        tables = [f'[[host."{url}".rewrite]]\nregex = \'{regex}\'\nreplace = "{text}"\n' for regex, text in rules]
        head = f'[host]\n[host."{url}"]\ncapabilities = ["pull", "resolve"]\nca = "{self.daemon.folder}/ca.crt"\n'
        self.daemon.write_hosts(VIRTUAL, head + "".join(tables))

    def pull(self, path: str, way: str = "client") -> tuple[int, set[str]]:
        """Exit code of a pull of tag v1, and the repositories that the registry was asked for blobs of."""
        reference = f"{VIRTUAL}/{path}:v1"
        self.daemon.forget()
        before = self.registry.log.stat().st_size
        if way == "cri":
            result = self.daemon.cri_pull(reference, credentials=LOGIN)
        else:
            local = ["--local"] if way == "client" else []
            result = self.daemon.pull(*local, "--hosts-dir", str(self.daemon.hosts), "--user", LOGIN, reference)
        log = self.registry.log.read_bytes()[before:].decode()
        return result.returncode, set(re.findall(r'"GET /v2/(\S+)/blobs/\S+ HTTP/\S+ 200', log))


@pytest.fixture(scope="module")
def ca() -> KeyPair:
    return make_ca()


@pytest.fixture(scope="module", params=["basic", "bearer"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ca: KeyPair) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("rewrite")
    serving = issue(ca, names=["localhost"], ips=["127.0.0.1"])
    signing = make_ca(key="rsa")
    with (
        TokenServer(signing=signing, users={USER: PASSWORD}, tls=serving) as tokens,
        containerd(folder / "containerd", binary="containerd-rewrite", ctr="ctr-rewrite") as daemon,
    ):
        bearer = Bearer(tokens.realm, tokens.issuer, tokens.service, signing.cert)
        auth = Basic({USER: PASSWORD}) if request.param == "basic" else bearer
        with distribution(folder / "registry", tls=serving, ca=ca.cert, auth=auth) as registry:
            image = build_image(folder / "image", layers=[{"hello": b"hello"}])
            for repository in ("deckhouse/ee", "deckhouse/ee/app", "system/deckhouse-other"):
                push_image(
                    image,
                    address=registry.address,
                    repository=repository,
                    tag="v1",
                    ca=ca.cert,
                    user=USER,
                    password=PASSWORD,
                )
            (daemon.folder / "ca.crt").write_text(ca.cert)
            tokens.requests.clear()
            yield World(daemon, registry, tokens)


@pytest.mark.parametrize("path", ["system/deckhouse", "system/deckhouse/app"])
@pytest.mark.parametrize("way", ["client", "transfer", "cri"])
def test_repository_is_rewritten_in_each_way_to_pull(world: World, path: str, way: str) -> None:
    world.route(RULE)
    assert world.pull(path, way) == (0, {path.replace("system/deckhouse", "deckhouse/ee")})


@pytest.mark.parametrize("world", ["bearer"], indirect=True)
def test_token_is_asked_for_the_rewritten_repository(world: World) -> None:
    world.route(RULE)
    world.tokens.requests.clear()
    world.pull("system/deckhouse/app")
    assert set(world.tokens.requests) == {(USER, "repository:deckhouse/ee/app:pull")}


def test_rule_that_does_not_match_leaves_the_path(world: World) -> None:
    world.route(RULE)
    assert world.pull("system/deckhouse-other") == (0, {"system/deckhouse-other"})


def test_first_matching_rule_wins(world: World) -> None:
    world.route(("^other/", "nowhere/"), RULE, ("^system/", "nowhere/"), ("^deckhouse/", "nowhere/"))
    assert world.pull("system/deckhouse/app") == (0, {"deckhouse/ee/app"})


def test_without_a_rule_the_pull_fails_as_on_stock_containerd(world: World) -> None:
    world.route()
    code, repositories = world.pull("system/deckhouse/app")
    assert (code != 0, repositories) == (True, set())
