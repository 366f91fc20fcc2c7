"""The private registries of the test platform, asked by a real client."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform.images.catalogue import Catalogue, catalogue
from tests.platform.upstream.upstream import Kind, Upstream

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(120),  # the first run builds images
    pytest.mark.skipif(os.geteuid() != 0, reason="the images hold files of root, from Debian packages"),
]


@pytest.fixture(scope="module")
def images() -> Catalogue:
    return catalogue()


@pytest.fixture(params=["basic", "bearer"])
def upstream(request: pytest.FixtureRequest, tmp_path: Path, images: Catalogue) -> Iterator[Upstream]:
    kind: Kind = request.param
    with Upstream(kind, tmp_path, kind=kind) as registry:
        registry.push(images)
        yield registry


def inspect(upstream: Upstream, reference: str, *, login: str = "") -> tuple[int, str]:
    """Exit code and words of skopeo for the raw manifest of a reference."""
    certificates = upstream.folder / "trust"
    certificates.mkdir(exist_ok=True)
    (certificates / "ca.crt").write_text(upstream.ca)
    command = ["skopeo", "inspect", "--raw", f"--cert-dir={certificates}", f"--creds={login or upstream.login}"]
    result = subprocess.run(
        [*upstream.client_wrapper, *command, f"docker://{reference}"], capture_output=True, text=True, check=False
    )
    return result.returncode, result.stdout + result.stderr


def demo(upstream: Upstream, images: Catalogue) -> str:
    return images["demo-v1"].reference(upstream.base)


def test_every_image_of_the_catalogue_is_there_by_tag_and_by_digest(upstream: Upstream, images: Catalogue) -> None:
    references = [image.reference(upstream.base, by_digest=way) for image in images.images for way in (False, True)]
    assert {reference: inspect(upstream, reference)[0] for reference in references} == dict.fromkeys(references, 0)


def test_demo_image_is_an_index_of_two_platforms(upstream: Upstream, images: Catalogue) -> None:
    _, manifest = inspect(upstream, demo(upstream, images))
    assert manifest.count('"platform":{"architecture"') == 2


def test_changed_password_refuses_the_old_one_and_takes_the_new(upstream: Upstream, images: Catalogue) -> None:
    old = upstream.login
    upstream.change_password()
    refused, accepted = inspect(upstream, demo(upstream, images), login=old), inspect(upstream, demo(upstream, images))
    assert (refused[0], accepted[0]) == (1, 0), refused[1] + accepted[1]


@pytest.mark.parametrize("by_digest", [False, True])
def test_broken_image_is_not_found_until_repaired(upstream: Upstream, images: Catalogue, by_digest: bool) -> None:
    reference = images["deckhouse-v1.70.2"].reference(upstream.base, by_digest=by_digest)
    upstream.break_image(images["deckhouse-v1.70.2"])
    code, words = inspect(upstream, reference)
    upstream.repair_images()
    assert (code, "manifest unknown" in words, inspect(upstream, reference)[0]) == (1, True, 0)


def test_stopped_registry_refuses_connections_and_comes_back_as_it_was(upstream: Upstream, images: Catalogue) -> None:
    reference = demo(upstream, images)
    upstream.stop()
    code, words = inspect(upstream, reference)
    upstream.start()
    assert (code, "connection refused" in words, inspect(upstream, reference)[0]) == (1, True, 0)


def test_traffic_counts_over_restarts(upstream: Upstream, images: Catalogue) -> None:
    inspect(upstream, demo(upstream, images))
    upstream.stop()
    upstream.start()
    inspect(upstream, demo(upstream, images))
    served = [entry for entry in upstream.accesses() if entry.status == 200 and "/demo/manifests/" in entry.path]
    assert [(entry.client, entry.method) for entry in served] == [("127.0.0.1", "GET")] * 2
    assert upstream.traffic().egress >= sum(entry.size for entry in served) > 500


@pytest.fixture
def bridge() -> Iterator[str]:
    name = "rgtest0"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "203.0.113.1/24", "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_registry_on_a_bridge_is_reached_there_and_leaves_nothing_behind(
    kind: Kind, bridge: str, tmp_path: Path, images: Catalogue
) -> None:
    address = "203.0.113.201"
    with Upstream("t", tmp_path, kind=kind, host="registry-t.test", address=address, bridge=bridge) as registry:
        registry.push(images)
        registry.push_images(images.layout, images["app"])
        assert (registry.host, inspect(registry, demo(registry, images))[0]) == ("registry-t.test:5000", 0)
    left = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    links = subprocess.run(["ip", "-brief", "link"], check=True, capture_output=True, text=True).stdout
    assert ("rg-t" in left.split(), "rgu-rg-t" in links) == (False, False)
