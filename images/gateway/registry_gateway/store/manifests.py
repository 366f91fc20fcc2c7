"""What a manifest says, as far as the store must know: what it consists of and what it refers to.

Rules are those of the OCI image spec 1.1 ("image-index.md", "manifest.md", "descriptor.md") and of Docker's schema 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from registry_gateway import names
from registry_gateway.oci import INDEX_TYPES, MANIFEST_TYPES
from registry_gateway.store.errors import ManifestInvalidError
from registry_gateway.store.paths import ALGORITHMS

LIMIT = 4 * 1024 * 1024  # bytes; registries take no larger ones (distribution spec 1.1, "Pushing manifests")
_ELSEWHERE = ("nondistributable", "foreign")  # layers that registries need not have (image spec, "layer.md")
_LARGEST = 2**63 - 1  # bytes; what the index can hold


@dataclass(frozen=True, slots=True)
class Reference:
    """Content that a manifest names: its digest and its size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """`children` are manifests of an index, or config and layers, each once; `subject` is what it is about.

    `annotations` is a JSON object, "" when there are none.
    """

    media_type: str
    children: tuple[Reference, ...]
    subject: Reference | None
    artifact_type: str
    annotations: str


def parse(content: bytes, media_type: str) -> Parsed:
    """Read a manifest that was given as `media_type`. Raises ManifestInvalidError."""
    if len(content) > LIMIT:
        raise ManifestInvalidError(f"the manifest is larger than {LIMIT} bytes")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ManifestInvalidError("the manifest is no JSON") from None
    if not isinstance(document, dict):
        raise ManifestInvalidError("the manifest must be an object")
    if document.get("schemaVersion") != 2:
        raise ManifestInvalidError("schemaVersion: must be 2")
    if document.get("mediaType", media_type) != media_type:
        raise ManifestInvalidError("mediaType: must be the type that the manifest was sent as")
    if media_type in INDEX_TYPES:
        children = list(_all(document, "manifests"))
        artifact_type = _text(document, "artifactType")
    elif media_type in MANIFEST_TYPES:
        config = _descriptor(document.get("config"), "config")
        children = [config, *_all(document, "layers")]
        artifact_type = _text(document, "artifactType") or _text(document["config"], "mediaType")
    else:
        raise ManifestInvalidError("the media type is that of no image manifest and no index")
    subject = document.get("subject")
    return Parsed(
        media_type,
        tuple({child.digest: child for child in children}.values()),
        None if subject is None else _descriptor(subject, "subject"),
        artifact_type,
        _annotations(document),
    )


def _all(document: dict[str, Any], name: str) -> Iterator[Reference]:
    entries = document.get(name, [])
    if not isinstance(entries, list):
        raise ManifestInvalidError(f"{name}: must be a list")
    for number, entry in enumerate(entries):
        reference = _descriptor(entry, f"{name}[{number}]")
        if not any(word in _text(entry, "mediaType") for word in _ELSEWHERE):
            yield reference


def _descriptor(value: object, path: str) -> Reference:
    if not isinstance(value, dict):
        raise ManifestInvalidError(f"{path}: must be an object")
    digest, size = value.get("digest"), value.get("size")
    if not isinstance(digest, str) or not names.is_digest(digest) or digest.partition(":")[0] not in ALGORITHMS:
        raise ManifestInvalidError(f"{path}.digest: must be a digest of {' or '.join(ALGORITHMS)}")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
        raise ManifestInvalidError(f"{path}.size: must be a number of bytes")
    return Reference(digest, size)


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str):
        raise ManifestInvalidError(f"{name}: must be a string")
    return value


def _annotations(document: dict[str, Any]) -> str:
    value = document.get("annotations")
    if value is None:
        return ""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ManifestInvalidError("annotations: must be an object of strings")
    return json.dumps(value, separators=(",", ":"))


def media_type(content: bytes, sent: str) -> str:
    """The type of a manifest that came with the header Content-Type `sent`; what it says itself counts."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    own = document.get("mediaType") if isinstance(document, dict) else None
    return own if isinstance(own, str) else sent.partition(";")[0].strip()
