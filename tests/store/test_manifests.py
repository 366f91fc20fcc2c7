"""What a manifest must be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from registry_gateway.store import manifests
from registry_gateway.store.errors import ManifestInvalidError
from tests.store.site import CONFIG, MANIFEST, digest

ITEM: Mapping[str, Any] = {"mediaType": CONFIG, "digest": digest(b""), "size": 0}


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "object"),
        ({}, "schemaVersion"),
        ({"schemaVersion": 1, "config": ITEM}, "schemaVersion"),
        ({"schemaVersion": 2}, "config"),
        ({"schemaVersion": 2, "config": ITEM, "mediaType": "text/plain"}, "mediaType"),
        ({"schemaVersion": 2, "config": ITEM, "layers": {}}, "layers"),
        ({"schemaVersion": 2, "config": ITEM, "layers": [ITEM, 1]}, "layers[1]"),
        ({"schemaVersion": 2, "config": {**ITEM, "size": -1}}, "config.size"),
        ({"schemaVersion": 2, "config": {**ITEM, "size": True}}, "config.size"),
        ({"schemaVersion": 2, "config": {**ITEM, "size": 2**63}}, "config.size"),
        ({"schemaVersion": 2, "config": {**ITEM, "digest": "sha256:x"}}, "config.digest"),
        ({"schemaVersion": 2, "config": {**ITEM, "digest": "blake3:" + "0" * 64}}, "config.digest"),
        ({"schemaVersion": 2, "config": ITEM, "subject": "x"}, "subject"),
        ({"schemaVersion": 2, "config": ITEM, "annotations": {"a": 1}}, "annotations"),
        ({"schemaVersion": 2, "config": ITEM, "artifactType": 1}, "artifactType"),
    ],
)
def test_a_wrong_manifest_is_refused_by_the_name_of_its_field(document: object, complaint: str) -> None:
    with pytest.raises(ManifestInvalidError) as refused:
        manifests.parse(json.dumps(document).encode(), MANIFEST)
    assert complaint in refused.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b" " * (manifests.LIMIT + 1)])
def test_what_is_no_manifest_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(ManifestInvalidError):
        manifests.parse(body, MANIFEST)


def test_other_media_types_are_refused() -> None:
    body = json.dumps({"schemaVersion": 2, "config": ITEM}).encode()
    with pytest.raises(ManifestInvalidError):
        manifests.parse(body, "application/vnd.docker.distribution.manifest.v1+json")


def test_layers_that_are_elsewhere_are_not_asked_for() -> None:
    foreign = {**ITEM, "digest": digest(b"f"), "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}
    body = json.dumps({"schemaVersion": 2, "config": ITEM, "layers": [foreign, ITEM, ITEM]}).encode()
    assert [child.digest for child in manifests.parse(body, MANIFEST).children] == [digest(b"")]
