"""Real clients push into a gateway process with two workers, and pull what they pushed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.material import Material
from tests.gateway.pushing import configuration
from tests.gateway.registry_clients import Clients
from tests.store import site
from tests.store.site import NAME, digest
from tests.support.distribution import distribution
from tests.support.gateway import gateway, upstream
from tests.support.images import INDEX, Image, build_image, push_image


@pytest.fixture(scope="module")
def clients(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    folder = tmp_path_factory.mktemp("push")
    options = ["--data", str(folder / "data"), "--name", "master-0"]
    with gateway(folder, material.files(configuration()), options=options) as running:
        yield Clients.make(running, material, folder / "clients")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """An index of two platforms."""
    return build_image(
        tmp_path_factory.mktemp("image") / "layout",
        layers=[{"bin/big": os.urandom(3_000_000)}, {"etc/small": b"x"}],
        platforms=("linux/amd64", "linux/arm64"),
    )


def same(image: Image, layout: Path) -> bool:
    """Whether `layout` has every blob of `image`."""
    wanted = (image.digest, *image.manifests, *image.configs, *image.layers)
    return all((layout / "blobs" / one.replace(":", "/")).read_bytes() == image.blob(one) for one in wanted)


def test_skopeo_pushes_an_index_and_pulls_it_back(clients: Clients, image: Image, tmp_path: Path) -> None:
    clients.push(image, f"{NAME}/skopeo", "v1")
    source = f"docker://{clients.at(f'{NAME}/skopeo', ':v1')}"
    clients.skopeo("copy", "-q", "--all", "--preserve-digests", source, f"oci:{tmp_path / 'back'}:v1")
    assert same(image, tmp_path / "back")
    data = clients.gateway.log.parent / "data" / "repositories" / f"{NAME}/skopeo".replace("/", "+")
    assert json.loads(clients.skopeo("inspect", "--raw", f"oci:{data}:v1"))["mediaType"] == INDEX


def test_crane_pushes_an_index_and_validates_it(clients: Clients, image: Image, tmp_path: Path) -> None:
    there = clients.at(f"{NAME}/crane", ":v1")
    clients.crane("push", image.layout, there)
    assert clients.crane("digest", there).strip() == image.digest
    clients.crane("validate", "--remote", there)
    clients.crane("pull", "--format=oci", there, tmp_path / "back")
    assert same(image, tmp_path / "back")


def test_crane_copies_between_repositories_without_sending_layers(clients: Clients, image: Image) -> None:
    clients.push(image, f"{NAME}/from", "v1")
    before = clients.gateway.metric("registry_access_bytes_total")
    clients.crane("copy", clients.at(f"{NAME}/from", ":v1"), clients.at(f"{NAME}/to", ":v1"))
    assert clients.gateway.metric("registry_access_bytes_total") - before < len(image.blob(image.layers[0]))
    clients.crane("validate", "--remote", clients.at(f"{NAME}/to", ":v1"))


def test_an_artifact_is_found_by_its_subject(clients: Clients, image: Image, tmp_path: Path) -> None:
    repository = f"{NAME}/signed"
    clients.push(image, repository, "v1")
    subject = {"mediaType": INDEX, "digest": image.digest, "size": len(image.blob(image.digest))}
    settings, payload = b"{}", b"signature"
    about = site.manifest(settings, [payload], subject=subject, artifactType="application/x.signature")
    for body in (settings, payload, about):
        path = tmp_path / "blobs" / digest(body).replace(":", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    entry = site.descriptor(about, site.MANIFEST)
    (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    clients.crane("push", tmp_path, clients.at(repository, ":signature"))
    found = clients.referrers(repository, image.digest)
    assert [(one["digest"], one["artifactType"]) for one in found] == [(digest(about), "application/x.signature")]


def test_crane_moves_and_deletes_tags(clients: Clients, image: Image) -> None:
    repository = f"{NAME}/tags"
    clients.push(image, repository, "v1")
    clients.crane("tag", clients.at(repository, ":v1"), "stable")
    assert sorted(clients.crane("ls", clients.at(repository)).split()) == ["stable", "v1"]
    clients.crane("delete", clients.at(repository, ":v1"))
    assert clients.crane("ls", clients.at(repository)).split() == ["stable"]
    clients.crane("delete", clients.at(repository, f"@{image.digest}"))
    assert clients.crane("ls", clients.at(repository)).split() == []
    assert "MANIFEST_UNKNOWN" in clients.refused("manifest", clients.at(repository, ":stable"), user="rw")


def test_who_may_not_push_is_told_who_may(clients: Clients, image: Image) -> None:
    said = clients.refused("push", image.layout, clients.at(f"{NAME}/ro", ":v1"), user="ro")
    assert "DENIED" in said
    assert "d8-system/registry-user-rw" in said
    said = clients.refused("push", image.layout, clients.at("elsewhere", ":v1"), user="rw")
    assert "NAME_UNKNOWN" in said
    assert f"{NAME}/ro" not in clients.crane("catalog", clients.gateway.address, user="ro").split()


def test_what_the_registry_before_has_is_pushed_and_stays_when_it_has_gone(
    material: Material, image: Image, tmp_path: Path
) -> None:
    """While modes are switched it answers pulls; clients ask by HEAD what they need not push."""
    repositories = {NAME: "deckhouse/ee", f"{NAME}/install": "deckhouse/ee/install"}
    options = ["--data", str(tmp_path / "data"), "--name", "master-0"]
    with distribution(tmp_path / "before") as before:
        for theirs in repositories.values():
            push_image(image, address=before.address, repository=theirs, tag="v1")
        switching = configuration([upstream(before.address, scheme="http")])
        with gateway(tmp_path, material.files(switching), workers=1, options=options) as running:
            clients = Clients.make(running, material, tmp_path / "clients")
            for ours in repositories:
                clients.crane("manifest", clients.at(ours, ":v1"), user="ro")  # stays, without what it consists of
            clients.crane("push", image.layout, clients.at(NAME, ":v1"))
            clients.push(image, f"{NAME}/install", "v1")
            running.secret.write(material.files(json.dumps({**json.loads(configuration()), "version": "ready"})))
            running.wait_for_version("ready")
            for ours in repositories:
                clients.crane("validate", "--remote", clients.at(ours, ":v1"))
