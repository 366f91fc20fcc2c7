"""The name of an image as an administrator has it at hand, read as clients of the gateway read it.

registry.d8-system.svc:5001/system/deckhouse/x:tag   …@sha256:…   system/deckhouse/x   :tag   tag   sha256:…
"""

from __future__ import annotations

from dataclasses import dataclass

from registry_gateway import target
from registry_gateway.check.manifest import ALGORITHMS
from registry_gateway.oci import Code, OciError
from registry_gateway.target import Kind

DEFAULT_TAG = "latest"  # what container runtimes put when nothing is said


@dataclass(frozen=True, slots=True)
class ImageName:
    """`host` is "" when none was given; gateways do not look at it."""

    host: str
    repository: str
    reference: str


def read(text: str, *, alias: str) -> ImageName:
    """What `text` means; without a repository it is one of the base, `alias`. Nothing is judged yet."""
    name, at, digest = text.partition("@")
    if not at and "/" not in name and (":" not in name or name.partition(":")[0] in ("", *ALGORITHMS)):
        return ImageName("", alias, name.removeprefix(":"))
    first, slash, rest = name.partition("/")
    # The rule of container runtimes: the first segment is a host when no repository could be called so.
    host = first if slash and (first == "localhost" or "." in first or ":" in first) else ""
    path, colon, tag = (rest if host else name).rpartition(":")
    if not colon:
        path, tag = tag, DEFAULT_TAG
    return ImageName(host, path or alias, digest if at else tag)


def rest(name: ImageName, *, alias: str) -> str:
    """The repository below the base. Raises OciError: what a client would be told before any registry is asked."""
    asked = target.parse(f"/v2/{name.repository}/manifests/{name.reference}")
    if asked.kind is not Kind.MANIFEST:
        raise OciError(400, Code.NAME_INVALID, "not a repository name")
    return target.below(alias, asked.name)
