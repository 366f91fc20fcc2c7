"""Real clients, real registries: skopeo, crane and curl through a gateway process with two workers, before distribution
with Basic and with Bearer authentication."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.material import Material
from tests.support.certs import make_ca
from tests.support.distribution import Basic, Bearer, Distribution, distribution
from tests.support.gateway import Gateway, config, gateway, upstream, wait_until
from tests.support.images import INDEX, Image, build_image, push_image
from tests.support.token_server import TokenServer

CRANE = Path(__file__).parents[2] / "tools" / "bin" / "crane"
USER, PASSWORD = "reader", 'p@ss "word\\'


@dataclass(frozen=True)
class Setting:
    """A registry with an image, a gateway before it, and where clients find their certificates."""

    gateway: Gateway
    image: Image
    folder: Path

    @property
    def repository(self) -> str:
        return f"{self.gateway.address}/system/deckhouse"

    def run(self, *command: str | Path) -> str:
        environment = {
            **os.environ,
            "SSL_CERT_FILE": str(self.folder / "certs" / "ca.crt"),
            "DOCKER_CONFIG": str(self.folder / "docker"),
        }
        done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def curl(self, path: str, *options: str) -> str:
        ca = self.folder / "certs" / "ca.crt"
        login = f"{USER}:{PASSWORD}"
        url = f"https://{self.gateway.address}/v2/system/deckhouse{path}"
        return self.run("curl", "-sS", "--cacert", ca, "-u", login, *options, url)


@pytest.fixture(scope="module", params=["basic", "bearer"])
def setting(
    request: pytest.FixtureRequest, material: Material, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("clients")
    image = build_image(
        folder / "layout",
        layers=[{"bin/big": os.urandom(3_000_000)}, {"etc/small": b"x"}],
        platforms=("linux/amd64", "linux/arm64"),
    )
    (folder / "certs").mkdir()
    (folder / "certs" / "ca.crt").write_text(material.ca.cert)
    users = {USER: PASSWORD}
    signing = make_ca("signing", key="rsa")
    with TokenServer(signing=signing, users=users, tls=material.server) as tokens:
        bearer = Bearer(tokens.realm, tokens.issuer, tokens.service, signing.cert)
        auth = Basic(users) if request.param == "basic" else bearer
        with distribution(folder / "registry", tls=material.server, ca=material.ca.cert, auth=auth) as registry:
            push_image(
                image,
                address=registry.address,
                repository="deckhouse/ee",
                tag="v1",
                user=USER,
                password=PASSWORD,
                ca=material.ca.cert,
            )
            with gateway(folder, material.files(configuration(registry, image, material))) as running:
                yield Setting(running, image, folder)


def configuration(registry: Distribution, image: Image, material: Material) -> str:
    route = upstream(registry.address, user=USER, password=PASSWORD, ca=material.ca.cert)
    images = [{"name": "whole", "reference": image.digest}, {"name": "absent", "reference": "sha256:" + "0" * 64}]
    return config([route], check={"version": "c1", "upstream": route, "images": images})


def test_skopeo_copies_every_platform_with_the_upstreams_credentials(setting: Setting, tmp_path: Path) -> None:
    certs = f"--src-cert-dir={setting.folder / 'certs'}"
    creds = f"--src-creds={USER}:{PASSWORD}"
    setting.run(
        "skopeo", "copy", "-q", "--all", certs, creds, f"docker://{setting.repository}:v1", f"dir:{tmp_path}/out"
    )
    stored = {path.name for path in (tmp_path / "out").iterdir()}
    assert {digest.removeprefix("sha256:") for digest in (*setting.image.layers, *setting.image.configs)} <= stored


def test_skopeo_inspects_and_lists(setting: Setting) -> None:
    options = [f"--cert-dir={setting.folder / 'certs'}", f"--creds={USER}:{PASSWORD}"]
    seen = json.loads(
        setting.run("skopeo", "inspect", *options, f"docker://{setting.repository}@{setting.image.digest}")
    )
    assert (seen["Digest"], seen["RepoTags"]) == (setting.image.digest, ["v1"])


def test_crane_reads_digests_manifests_tags_and_validates_layers(setting: Setting) -> None:
    setting.run(CRANE, "auth", "login", setting.gateway.address, "-u", USER, "-p", PASSWORD)
    assert setting.run(CRANE, "digest", f"{setting.repository}:v1").strip() == setting.image.digest
    assert json.loads(setting.run(CRANE, "manifest", f"{setting.repository}:v1"))["mediaType"] == INDEX
    assert setting.run(CRANE, "ls", setting.repository).split() == ["v1"]
    setting.run(CRANE, "validate", "--remote", f"{setting.repository}:v1")


def test_curl_reads_ranges_of_a_blob(setting: Setting) -> None:
    digest = setting.image.layers[0]
    login = ("-u", f"{USER}:{PASSWORD}")
    part = download(setting, f"/blobs/{digest}", *login, "-r", "1000-1999")
    assert part == setting.image.blob(digest)[1000:2000]


def test_a_node_pulls_with_its_certificate(setting: Setting, material: Material) -> None:
    digest = setting.image.layers[0]
    certificate = ("--cert", str(material.folder / "node.crt"), "--key", str(material.folder / "node.key"))
    body = download(setting, f"/blobs/{digest}?ns=registry.d8-system.svc%3A5001", *certificate)
    assert "sha256:" + hashlib.sha256(body).hexdigest() == digest


def download(setting: Setting, path: str, *options: str) -> bytes:
    ca, url = setting.folder / "certs" / "ca.crt", f"https://{setting.gateway.address}/v2/system/deckhouse{path}"
    command = ["curl", "-sS", "--fail", "--cacert", str(ca), *options, url]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_what_is_missing_is_404_with_a_reason(setting: Setting) -> None:
    answer = setting.curl("/manifests/absent", "-w", "\n%{http_code}")
    body, _, status = answer.rpartition("\n")
    assert (status, json.loads(body)["errors"][0]["code"]) == ("404", "MANIFEST_UNKNOWN")


def test_requests_of_all_workers_are_added_up(setting: Setting) -> None:
    before = setting.gateway.metric("registry_access_requests_total")
    for _ in range(20):  # the kernel spreads connections over the workers
        setting.curl("/tags/list", "-o", "/dev/null")
    assert setting.gateway.metric("registry_access_requests_total") == before + 20
    assert setting.gateway.metric("registry_gateway_workers_serving") == 2


def test_the_image_check_finds_what_is_there_and_what_is_not(setting: Setting) -> None:
    wait_until(
        lambda: setting.gateway.metric("registry_images_present") == 1,
        what="check",
        seconds=60,
        log=setting.gateway.log,
    )
    assert setting.gateway.metric("registry_images_expected") == 2
    assert setting.gateway.metric("registry_images_missing") == 1
    assert setting.gateway.metric("registry_credentials_valid") == 1


def test_no_secret_is_in_the_log_or_the_metrics(setting: Setting, material: Material) -> None:
    text = setting.gateway.log.read_text() + setting.gateway.get("/metrics")[1] + setting.gateway.get("/readyz")[1]
    basic = "cmVhZGVyOnBAc3MgIndvcmRc"  # reader:p@ss "word\ in base64
    for secret in (PASSWORD, json.dumps(PASSWORD)[1:-1], basic, "Bearer ", "eyJ", "PRIVATE KEY"):
        assert secret not in text
    assert "identity" in text
