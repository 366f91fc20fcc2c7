"""What a request asks for, read from its raw path before anything else happens.

Nothing is decoded: the grammar has no character that needs encoding, so a percent sign (an encoded slash, an encoded
dot) is refused as it stands, and what was checked here is byte for byte what is later put into an upstream URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from registry_gateway import names
from registry_gateway.oci import Code, OciError

PATH_LIMIT = 1024  # bytes; name (255), digest (7 + 128) and words between them need far less


class Kind(StrEnum):
    """Endpoints of the distribution spec, as metrics and logs call them."""

    BASE = "v2"
    MANIFEST = "manifest"
    BLOB = "blob"
    TAGS = "tags"
    REFERRERS = "referrers"
    UPLOAD = "upload"
    CATALOG = "catalog"  # Docker's, not the spec's


@dataclass(frozen=True, slots=True)
class Target:
    """The endpoint, the repository name and the reference (tag, digest or ""), all valid by the grammar.

    The reference of an upload is its session, "" where one is to begin; of sessions there is no grammar.
    """

    kind: Kind
    name: str = ""
    reference: str = ""


_LAST_WORDS = {"manifests": Kind.MANIFEST, "blobs": Kind.BLOB, "referrers": Kind.REFERRERS}


@lru_cache(maxsize=1024)  # nodes ask for the same images, each by HEAD and by GET
def parse(path: str) -> Target:
    """The target of `path` (raw, without the query).

    Raises OciError: 400 with the code of what is malformed, 404 for what is no endpoint of the spec.
    """
    if len(path) > PATH_LIMIT:
        raise OciError(400, Code.NAME_INVALID, f"the path is longer than {PATH_LIMIT} bytes")
    if path in ("/v2/", "/v2"):
        return Target(Kind.BASE)
    if path == "/v2/_catalog":
        return Target(Kind.CATALOG)
    if not path.startswith("/v2/"):
        raise OciError(404, Code.UNSUPPORTED, "this is a registry: its API begins with /v2/")
    if "%" in path:
        raise OciError(400, Code.NAME_INVALID, "names, tags and digests need no percent-encoding")
    segments = path[len("/v2/") :].split("/")
    kind, name, reference = _split(segments)
    if not names.is_name(name):
        raise OciError(400, Code.NAME_INVALID, "not a repository name")
    if kind is Kind.MANIFEST and not names.is_reference(reference):
        raise OciError(400, Code.MANIFEST_INVALID, "neither a tag nor a digest")
    if kind in (Kind.BLOB, Kind.REFERRERS) and not names.is_digest(reference):
        raise OciError(400, Code.DIGEST_INVALID, "not a digest")
    return Target(kind, name, reference)


def below(alias: str, name: str) -> str:
    """What is left of the repository `name` below `alias`, "" for the alias itself. Raises OciError (404) when it is
    elsewhere.
    """
    rest = names.below(alias, name)
    if rest is None:
        raise OciError(404, Code.NAME_UNKNOWN, f"only repositories below {alias} are served here")
    return rest


def _split(segments: list[str]) -> tuple[Kind, str, str]:
    if len(segments) >= 3 and segments[-2:] == ["tags", "list"]:
        return Kind.TAGS, "/".join(segments[:-2]), ""
    for tail in (2, 3):  # …/blobs/uploads/ and …/blobs/uploads/<session>
        if len(segments) > tail and segments[-tail : len(segments) - tail + 2] == ["blobs", "uploads"]:
            return Kind.UPLOAD, "/".join(segments[:-tail]), segments[-1] if tail == 3 else ""
    if len(segments) >= 3 and segments[-2] in _LAST_WORDS:
        return _LAST_WORDS[segments[-2]], "/".join(segments[:-2]), segments[-1]
    raise OciError(404, Code.UNSUPPORTED, "no such endpoint")
