"""Error codes, error bodies and media types of the OCI distribution and image specs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum

API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


class Code(StrEnum):
    """Error codes (distribution spec 1.1, "Error Codes"); the last three are the ones registries add by custom."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"
    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    SIZE_INVALID = "SIZE_INVALID"
    UNAUTHORIZED = "UNAUTHORIZED"
    DENIED = "DENIED"
    UNSUPPORTED = "UNSUPPORTED"
    TOOMANYREQUESTS = "TOOMANYREQUESTS"
    RANGE_INVALID = "RANGE_INVALID"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN = "UNKNOWN"


class OciError(Exception):
    """An answer other than success. The message is meant for a person and never holds a secret."""

    def __init__(
        self,
        status: int,
        code: Code,
        message: str,
        *,
        retry_after: str = "",
        also: Sequence[tuple[Code, str]] = (),
        allow: str = "",
        challenge: bool = False,
        content_range: str = "",
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.also = tuple(also)  # what further sources said, in the order they were asked
        self.headers: dict[str, str] = {}
        if retry_after:
            self.headers["Retry-After"] = retry_after
        if allow:
            self.headers["Allow"] = allow
        if challenge:
            self.headers["WWW-Authenticate"] = 'Basic realm="registry", charset="UTF-8"'
        if content_range:
            self.headers["Content-Range"] = content_range

    def body(self) -> bytes:
        """The JSON body of the spec: `{"errors": [{"code", "message"}, …]}`."""
        entries = [(self.code, self.message), *self.also]
        return json.dumps({"errors": [{"code": str(code), "message": message} for code, message in entries]}).encode()
