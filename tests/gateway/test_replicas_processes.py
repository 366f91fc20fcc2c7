"""Two gateways as processes, each with a disk of its own, that hold the same content."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.material import Material
from tests.gateway.pushing import PASSWORDS, configuration
from tests.store import site
from tests.store.site import MANIFEST, NAME, digest
from tests.support.gateway import Gateway, gateway, wait_until

CONFIG, LAYER = site.config("v1"), b"layer" * 100_000
IMAGE = site.manifest(CONFIG, [LAYER])
RW = "Basic " + base64.b64encode(f"rw:{PASSWORDS['rw']}".encode()).decode()
SECONDS = 60.0


@dataclass
class Pair:
    """The gateways `a` and `b`, which know each other."""

    gateways: dict[str, Gateway]
    context: ssl.SSLContext
    files: dict[str, str]

    def configure(self, of: str, version: str, **store: object) -> None:
        """Put another configuration of its store into force at one of them."""
        document = json.loads(self.files["config.json"])
        document["version"], document["store"] = version, {**document["store"], **store}
        self.gateways[of].secret.write({**self.files, "config.json": json.dumps(document)})
        self.gateways[of].wait_for_version(version)

    def ask(self, of: str, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str]]:
        """Ask one of them as user `rw`; status and headers."""
        connection = http.client.HTTPSConnection(self.gateways[of].address, context=self.context, timeout=SECONDS)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Authorization": RW, **named})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, dict(answer.headers)

    def agrees(self, of: str) -> bool:
        """Push something; whether any push was acknowledged by both so far."""
        assert self.ask(of, "PUT", f"/v2/{NAME}/seen/manifests/v1", site.index(), Content_Type=site.INDEX)[0] == 201
        return 'acknowledgements_total{result="majority"}' in self.gateways[of].get("/metrics")[1]

    def data(self, of: str, wanted: str) -> Path:
        """Where one has some content on its disk."""
        return self.gateways[of].log.parent / "data" / "blobs" / wanted.replace(":", "/")


@pytest.fixture(scope="module")
def pair(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    document = json.loads(configuration())
    with ExitStack() as stack:
        gateways = {}
        for name in ("a", "b"):
            folder = tmp_path_factory.mktemp(name)
            options = ["--data", str(folder / "data"), "--name", name]
            files = material.files(json.dumps(document), tls_crt=material.peer.cert, tls_key=material.peer.key)
            gateways[name] = stack.enter_context(gateway(folder, files, workers=1, options=options))
        document["version"] = "with-peers"
        document["peers"] = [{"name": name, "host": running.address} for name, running in gateways.items()]
        for running in gateways.values():
            files["config.json"] = json.dumps(document)
            running.secret.write(files)
        for running in gateways.values():
            running.wait_for_version("with-peers")
        pair = Pair(gateways, material.client_context(), files)
        for name in gateways:  # each looks every few seconds whether the other is there
            wait_until(lambda name=name: pair.agrees(name), what="both see each other", seconds=SECONDS)
        yield pair


def test_an_upload_goes_on_through_another_replica_and_its_image_is_at_both(pair: Pair) -> None:
    status, headers = pair.ask("a", "POST", f"/v2/{NAME}/blobs/uploads/")
    assert status == 202
    where = headers["Location"]
    status, headers = pair.ask("b", "PATCH", where, LAYER[:1000], Content_Type="application/octet-stream")
    assert (status, headers["Range"]) == (202, "0-999")
    assert pair.ask("b", "GET", where)[1]["Range"] == "0-999"
    status, headers = pair.ask("a", "PATCH", where, LAYER[1000:])
    assert (status, headers["Range"]) == (202, f"0-{len(LAYER) - 1}")
    status, headers = pair.ask("b", "PUT", f"{where}?digest={digest(LAYER)}")
    assert (status, headers["Docker-Content-Digest"]) == (201, digest(LAYER))
    assert pair.data("a", digest(LAYER)).exists(), "it belongs to where it began"

    status, _ = pair.ask("b", "POST", f"/v2/{NAME}/blobs/uploads/?digest={digest(CONFIG)}", CONFIG)
    assert status == 201
    status, _ = pair.ask("b", "PUT", f"/v2/{NAME}/manifests/v1", IMAGE, Content_Type=MANIFEST)
    assert status == 201, "what it lacked was at the other"
    for name in ("a", "b"):
        for wanted in (IMAGE, CONFIG, LAYER):
            assert pair.data(name, digest(wanted)).exists()
        assert pair.ask(name, "GET", f"/v2/{NAME}/manifests/v1")[1]["Docker-Content-Digest"] == digest(IMAGE)


def test_an_upload_of_a_replica_that_is_none_is_unknown(pair: Pair) -> None:
    status, _ = pair.ask("a", "PATCH", f"/v2/{NAME}/blobs/uploads/c.{'0' * 32}", b"data")
    assert status == 404


def test_clients_are_no_replicas(pair: Pair) -> None:
    for path in ("state", "summary", f"names/{NAME}", "changes"):
        assert pair.ask("a", "GET", f"/v2/_replicas/{path}", X_Registry_Peer="b; ask=store")[0] == 403
    assert pair.ask("a", "GET", "/v2/_replicas/tags/list")[0] == 403


def test_a_deletion_is_followed(pair: Pair) -> None:
    for blob in (CONFIG, LAYER):
        pair.ask("a", "POST", f"/v2/{NAME}/gone/blobs/uploads/?digest={digest(blob)}", blob)
    assert pair.ask("a", "PUT", f"/v2/{NAME}/gone/manifests/v1", IMAGE, Content_Type=MANIFEST)[0] == 201
    assert pair.ask("b", "DELETE", f"/v2/{NAME}/gone/manifests/v1")[0] == 202
    wait_until(
        lambda: pair.ask("a", "GET", f"/v2/{NAME}/gone/manifests/v1")[0] == 404, what="it is gone", seconds=SECONDS
    )


def test_a_replica_without_room_brings_nothing(pair: Pair) -> None:
    pair.configure("b", "full", minFree=2**60)
    try:
        new = site.config("without room")
        image = site.manifest(new, [])
        assert pair.ask("a", "POST", f"/v2/{NAME}/room/blobs/uploads/?digest={digest(new)}", new)[0] == 201

        def push() -> int:
            return pair.ask("a", "PUT", f"/v2/{NAME}/room/manifests/v1", image, Content_Type=MANIFEST)[0]

        assert push() == 503
        assert not pair.data("b", digest(new)).exists()
    finally:
        pair.configure("b", "with-room")
    wait_until(lambda: push() == 201, what="there is room again", seconds=SECONDS)
    assert pair.data("b", digest(new)).exists()
