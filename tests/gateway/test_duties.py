"""A gateway as real processes with a store: what it reports, that it serves from the disk alone, and its copy."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_gateway import status
from registry_gateway.store.store import Store
from registry_gateway.upkeep.duties import _shared
from tests.gateway.material import Material
from tests.gateway.processes import USERS, alive, ask, children
from tests.gateway.stores import release
from tests.store.site import NAME, Clock, Site
from tests.support.distribution import distribution
from tests.support.gateway import Gateway, config, gateway, upstream, wait_until
from tests.support.images import build_image, push_image


def document(version: str = "v1", *, expected: tuple[str, ...] = (), routes: Any = (), **store: object) -> str:
    images = [{"name": f"image {one[:12]}", "reference": one} for one in expected]
    made = json.loads(
        config(routes, version=version, users=USERS, check={"version": "c1", "upstream": None, "images": images})
    )
    return json.dumps({**made, "store": {"role": "copy", "keepReleases": 3, **store}})


async def fill(folder: Path) -> str:
    """A store with one release; the digest of its image."""
    async with await Store.open(folder) as store:
        site = Site(folder, store, Clock())
        return await release(site, "v1.70.0", [await site.push_image(b"listed")])


def missing(running: Gateway) -> float:
    return running.metric("registry_images_missing")


def pulled(running: Gateway, context: ssl.SSLContext, path: str) -> tuple[int, bytes]:
    answer: http.client.HTTPResponse = ask(running, context, path)
    return answer.status, answer.read()


async def test_a_cold_start_from_the_disk_alone_serves_pulls(tmp_path: Path, material: Material) -> None:
    """No registry is configured, no API server is there, and the report has nobody to go to."""
    digest = await fill(tmp_path / "data")
    options = ["--data", str(tmp_path / "data"), "--replica", "master-1", "--kubeconfig", str(tmp_path / "none")]
    with gateway(tmp_path, material.files(document(expected=(digest,))), workers=1, options=options) as running:
        context = material.client_context()
        code, manifest = pulled(running, context, f"/v2/{NAME}/manifests/v1.70.0")
        assert code == 200
        for part in (json.loads(manifest)["config"], *json.loads(manifest)["layers"]):
            code, body = pulled(running, context, f"/v2/{NAME}/blobs/{part['digest']}")
            assert (code, len(body)) == (200, part["size"])
        wait_until(lambda: running.metric("registry_images_present") == 1, what="a check", seconds=30, log=running.log)
        wait_until(lambda: running.metric("registry_store_blobs") == 6, what="usage", seconds=30, log=running.log)
        text = running.get("/metrics")[1]
        assert "registry_store_failed 0.0" in text
        assert "registry_store_fill_missing 0.0" in text
        assert "registry_store_limit_bytes " not in text, "there is no limit"
        workers = children(running)
    assert not [pid for pid in workers if alive(pid)]
    assert not [line for line in running.lines() if line["message"] == "defect"]


async def test_a_store_that_cannot_be_opened_is_told_of_and_opened_when_it_can_be(
    tmp_path: Path, material: Material
) -> None:
    (tmp_path / "data").write_text("in the way")
    files = material.files(document(expected=("v1.70.0",)))
    with gateway(tmp_path, files, workers=1, options=["--data", str(tmp_path / "data")]) as running:
        wait_until(lambda: missing(running) == 1, what="a verdict", seconds=30, log=running.log)
        text = running.get("/metrics")[1]
        assert "registry_store_failed 1.0" in text
        assert "registry_store_disk_free_bytes" not in text, "what is not known has no series"
        (tmp_path / "data").unlink()
        await fill(tmp_path / "data")
        wait_until(lambda: missing(running) == 0, what="a whole image", seconds=60, log=running.log)
        assert running.metric("registry_store_failed") == 0


async def test_what_a_disk_lost_or_damaged_comes_back_from_another_replica(tmp_path: Path, material: Material) -> None:
    """Two gateways with the certificates of replicas; no registry is behind any of them."""
    digest = await fill(tmp_path / "whole")
    async with await Store.open(tmp_path / "whole") as store:
        site = Site(tmp_path / "whole", store, Clock())
        layer = json.loads((await store.contents.manifest(NAME, digest)).content)["layers"][0]["digest"]
        shutil.copytree(tmp_path / "whole", tmp_path / "hurt", symlinks=True)
        only = await site.push_image(b"pushed to the first alone")
    wrong = tmp_path / "hurt" / "blobs" / layer.replace(":", "/")
    right = wrong.read_bytes()
    wrong.chmod(0o640)
    wrong.write_bytes(b"x" * len(right))

    def files(peers: dict[str, str], *expected: str) -> dict[str, str]:
        made = json.loads(document(expected=expected))
        made["peers"] = [{"name": name, "host": host} for name, host in peers.items()]
        return material.files(json.dumps(made), tls_crt=material.peer.cert, tls_key=material.peer.key)

    here, there = tmp_path / "1", tmp_path / "2"
    for folder in (here, there):
        folder.mkdir()
    options = ["--data", str(tmp_path / "whole"), "--name", "first"]
    with gateway(here, files({"first": "127.0.0.1:1", "second": "127.0.0.1:2"}), workers=1, options=options) as first:
        peers = {"first": first.address, "second": "127.0.0.1:2"}
        options = ["--data", str(tmp_path / "hurt"), "--name", "second"]
        with gateway(there, files(peers, digest, only), workers=1, options=options) as second:
            wait_until(
                lambda: second.metric("registry_store_scrub_repaired_total") == 1,
                what="a repair", seconds=60, log=second.log,
            )  # fmt: skip
            wait_until(lambda: second.metric("registry_images_present") == 2, what="a fill", seconds=60, log=second.log)
            assert second.metric("registry_store_scrub_damaged_total") == 1
            code, body = pulled(second, material.client_context(), f"/v2/{NAME}/blobs/{layer}")
            assert (code, body) == (200, right)
    for running in (first, second):
        assert not [line for line in running.lines() if line["message"] == "defect"]
    assert {line["identity"] for line in first.lines() if line["message"] == "request"} == {"peer"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a real registry and the digest of an index in it."""
    folder = tmp_path_factory.mktemp("registry")
    image = build_image(folder / "image", layers=[{"file": b"x" * 1000}], platforms=["linux/amd64", "linux/arm64"])
    with distribution(folder / "storage") as running:
        push_image(image, address=running.address, repository="deckhouse/ee", tag="v1.70.0")
        yield running.address, image.digest


async def test_a_copy_fills_itself_from_a_real_registry_and_then_needs_it_no_more(
    tmp_path: Path, material: Material, registry: tuple[str, str]
) -> None:
    address, digest = registry
    source = upstream(address, scheme="http")
    expected = (digest, "v1.70.0")
    options = ["--data", str(tmp_path / "data")]
    (tmp_path / "data").mkdir()
    filled = material.files(document(expected=expected, fill=[source]))
    with gateway(tmp_path, filled, workers=1, options=options) as running:
        wait_until(lambda: running.metric("registry_images_present") == 2, what="a fill", seconds=60, log=running.log)
        running.secret.write(material.files(document("v2", expected=expected)))
        running.wait_for_version("v2")
        code, body = pulled(running, material.client_context(), f"/v2/{NAME}/manifests/{digest}")
        assert (code, "manifests" in json.loads(body)) == (200, True)
        wait_until(lambda: running.metric("registry_images_present") == 2, what="a check", seconds=30, log=running.log)
        running.secret.write(material.files(config([], version="v3", users=USERS)))
        running.wait_for_version("v3")
        wait_until(
            lambda: "registry_store_" not in running.get("/metrics")[1], what="no store", seconds=30, log=running.log
        )
    assert not [line for line in running.lines() if line["message"] == "defect"]


STORE = {
    "role": "copy",
    "bytes": 1,
    "blobs": 2,
    "limit": 0,
    "free": 3,
    "full": False,
    "error": "",
    "warning": "",
    "fill": {"total": 1, "done": 1, "failed": 0, "bytes": 4, "errors": []},
    "collect": {"tags": 0, "blobs": 0, "bytes": 0, "names": [], "keptBack": ""},
    "scrub": {"checked": 5, "damaged": 0, "repaired": 0, "lastError": ""},
}


def report(**store: Any) -> dict[str, Any]:
    fixed = {"version": "v1", "error": "", "not_after": 1.0, "upstreams": [], "check": None, "now": 0.0}
    return status.build(**fixed, store={**STORE, **store})  # type: ignore[arg-type] # values of several types


def test_what_moves_all_the_time_is_no_reason_to_write_a_report() -> None:
    fill = {**STORE["fill"], "bytes": 9}  # type: ignore[dict-item] # it is a dictionary
    scrub = {**STORE["scrub"], "checked": 9}  # type: ignore[dict-item] # it is a dictionary
    assert status.same(report(), report(bytes=9, blobs=9, free=9, fill=fill, scrub=scrub))
    assert status.same(report(fill=None, collect=None, scrub=None), report(fill=None, collect=None, scrub=None, free=1))
    for change in ({"full": True}, {"error": "x"}, {"fill": {**fill, "done": 0}}, {"scrub": {**scrub, "damaged": 1}}):
        assert not status.same(report(), report(**change))
    assert not status.same(report(), {**report(), "store": None})


def test_a_disk_shared_with_etcd_is_warned_of_and_what_is_not_seen_is_not(tmp_path: Path) -> None:
    for name in ("data", "etcd"):
        (tmp_path / name).mkdir()
    assert str(tmp_path / "data") in _shared(tmp_path / "data", tmp_path / "etcd")
    assert _shared(tmp_path / "data", Path("/proc")) == ""
    assert _shared(tmp_path / "data", tmp_path / "none") == ""
