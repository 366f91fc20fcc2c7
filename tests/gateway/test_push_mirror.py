"""What `d8 mirror push` does: bundles of many repositories, layers in chunks, indexes, tags of release channels; and a
push that goes on after the gateway was started again.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.gateway.material import Material
from tests.gateway.pushing import configuration, login
from tests.gateway.registry_clients import Clients
from tests.store.site import NAME, digest
from tests.support.gateway import Gateway, gateway
from tests.support.images import Image, build_image

CHUNK = 300_000  # bytes
RELEASES = ("v1.69.0", "v1.70.0")
CHANNELS = ("alpha", "beta", "early-access", "stable", "rock-solid")
MODULES = ("console", "stronghold")
REPOSITORIES = {
    NAME: RELEASES,
    f"{NAME}/install": (*RELEASES, "stable"),
    f"{NAME}/install-standalone": RELEASES,
    f"{NAME}/release-channel": (*RELEASES, *CHANNELS),
    f"{NAME}/security/trivy-db": ("2",),
    f"{NAME}/modules": MODULES,
    **{f"{NAME}/modules/{module}": ("v1.2.3",) for module in MODULES},
    **{f"{NAME}/modules/{module}/release": ("v1.2.3", *CHANNELS) for module in MODULES},
}


class Chunks:
    """A client that sends a blob in chunks, each over a connection of its own: any worker may get it."""

    def __init__(self, running: Gateway, material: Material) -> None:
        self._host, _, self._port = running.address.rpartition(":")
        self._context = material.client_context()

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection(self._host, int(self._port), context=self._context, timeout=60)
        connection.request(method, path, body, {"Authorization": login("rw"), **headers})
        answer = connection.getresponse()
        answer.read()
        return answer

    def begin(self, repository: str) -> str:
        begun = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert begun.status == 202
        return urlsplit(begun.headers["Location"]).path

    def send(self, location: str, blob: bytes, start: int, stop: int) -> None:
        for first in range(start, stop, CHUNK):
            part = blob[first : min(first + CHUNK, stop)]
            field = {"Content-Range": f"{first}-{first + len(part) - 1}"}
            done = self.ask("PATCH", location, part, **field)
            assert (done.status, done.headers["Range"]) == (202, f"0-{first + len(part) - 1}")

    def reached(self, location: str) -> int:
        """How many bytes the gateway says that it has."""
        status = self.ask("GET", location)
        assert status.status == 204
        return int(status.headers["Range"].removeprefix("0-")) + 1

    def push(self, repository: str, blob: bytes) -> None:
        location = self.begin(repository)
        self.send(location, blob, 0, len(blob))
        self.finish(location, blob)

    def finish(self, location: str, blob: bytes) -> None:
        assert self.ask("PUT", f"{location}?digest={digest(blob)}").status == 201


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build_image(
        tmp_path_factory.mktemp("image") / "layout",
        layers=[{"bin/big": os.urandom(1_000_000)}, {"version.json": b"{}"}],
        platforms=("linux/amd64", "linux/arm64"),
    )


@pytest.fixture
def started(material: Material, folder: Path) -> Iterator[Gateway]:
    with start(material, folder, "first") as running:
        yield running


def start(material: Material, folder: Path, run: str) -> AbstractContextManager[Gateway]:
    (folder / run).mkdir()
    options = ["--data", str(folder / "data"), "--name", "master-0"]
    return gateway(folder / run, material.files(configuration()), options=options)


def test_a_bundle_of_many_repositories_is_pushed_and_pulled(
    material: Material, folder: Path, started: Gateway, image: Image
) -> None:
    clients, chunks = Clients.make(started, material, folder / "clients"), Chunks(started, material)
    for repository, tags in REPOSITORIES.items():
        for layer in image.layers:
            chunks.push(repository, image.blob(layer))
        clients.crane("push", image.layout, clients.at(repository, f":{tags[0]}"))
        for tag in tags[1:]:
            clients.crane("tag", clients.at(repository, f":{tags[0]}"), tag)
    assert clients.crane("catalog", started.address, user="ro").split() == sorted(REPOSITORIES)
    for repository, tags in REPOSITORIES.items():
        assert clients.crane("ls", clients.at(repository), user="ro").split() == sorted(tags)
        assert clients.crane("digest", clients.at(repository, f":{tags[-1]}"), user="ro").strip() == image.digest
    clients.crane("validate", "--remote", clients.at(f"{NAME}/release-channel", ":rock-solid"), user="ro")


def test_a_push_goes_on_after_the_gateway_was_started_again(material: Material, folder: Path, image: Image) -> None:
    blob = image.blob(image.layers[0])
    with start(material, folder, "first") as running:
        chunks = Chunks(running, material)
        location = chunks.begin(NAME)
        chunks.send(location, blob, 0, 2 * CHUNK)
        running.process.kill()  # nothing is said, nothing is tidied up
        running.process.wait()
    with start(material, folder, "second") as running:
        chunks = Chunks(running, material)
        assert chunks.reached(location) == 2 * CHUNK
        chunks.send(location, blob, 2 * CHUNK, len(blob))
        chunks.finish(location, blob)
        clients = Clients.make(running, material, folder / "clients")
        clients.crane("push", image.layout, clients.at(NAME, ":v1"))
        clients.crane("validate", "--remote", clients.at(NAME, ":v1"))
    layout = folder / "data" / "repositories" / NAME.replace("/", "+")
    assert json.loads((layout / "index.json").read_bytes())["manifests"]
