"""A small client of the distribution API, one request at a time: for what skopeo and crane cannot be made to do.

client = RegistryClient("198.51.100.11:5001", ca=pem, user="rw", password="…")
client.push_blob("a/b", content, pieces=3, between=cut_the_network)
client.put_manifest("a/b", "v1", body, "application/vnd.oci.image.manifest.v1+json")
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

MANIFESTS = ("application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json")


class UnexpectedAnswerError(Exception):
    """The registry answered with another status than the step needs; the message has both and the body's start."""


@dataclass(frozen=True)
class Answer:
    """A whole answer; names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class RegistryClient:
    """One registry by https at host:port, verified by `ca` (PEM), with a login."""

    def __init__(self, address: str, *, ca: str, user: str = "", password: str = "", timeout: float = 60) -> None:
        """Nothing is asked yet; each request has a connection of its own."""
        self.address, self._timeout = address, timeout
        self._context = ssl.create_default_context(cadata=ca)
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._login = {"Authorization": f"Basic {login}"} if user else {}

    def request(self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Ask. Raises OSError or http.client.HTTPException when there is no whole answer."""
        host, _, port = self.address.rpartition(":")
        connection = http.client.HTTPSConnection(host, int(port), timeout=self._timeout, context=self._context)
        try:
            connection.request(method, path, body=body, headers={**self._login, **(headers or {})})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        finally:
            connection.close()

    def manifest(self, repository: str, reference: str) -> Answer:
        """GET of a manifest, whatever comes."""
        accept = {"Accept": ", ".join(MANIFESTS)}
        return self.request("GET", f"/v2/{repository}/manifests/{reference}", headers=accept)

    def blob(self, repository: str, digest: str) -> bytes:
        """A blob's content, verified. Raises UnexpectedAnswerError."""
        content = self._expect(200, "GET", f"/v2/{repository}/blobs/{digest}").body
        if digest_of(content) != digest:
            raise UnexpectedAnswerError(f"{digest} of {repository} has other content: {digest_of(content)}")
        return content

    def push_blob(
        self, repository: str, content: bytes, *, pieces: int = 1, between: Callable[[], object] = lambda: None
    ) -> str:
        """Upload in that many PATCH requests; `between` is called after each of them but the last. The digest.

        Raises UnexpectedAnswerError at the first step that is not answered as the specification says.
        """
        started = self._expect(202, "POST", f"/v2/{repository}/blobs/uploads/")
        place, size = started.headers["location"], -(-len(content) // pieces)
        for start in range(0, len(content), size):
            piece = content[start : start + size]
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Range": f"{start}-{start + len(piece) - 1}",
            }
            place = self._expect(202, "PATCH", _path(place), body=piece, headers=headers).headers["location"]
            if start + size < len(content):
                between()
        self._expect(201, "PUT", _path(place, digest=digest_of(content)))
        return digest_of(content)

    def mount(self, repository: str, digest: str, *, source: str) -> bool:
        """Ask for a blob of another repository; False when the registry wants it uploaded instead."""
        query = urlencode({"mount": digest, "from": source})
        return self.request("POST", f"/v2/{repository}/blobs/uploads/?{query}").status == 201

    def put_manifest(self, repository: str, reference: str, body: bytes, media_type: str) -> None:
        """Raises UnexpectedAnswerError."""
        path = f"/v2/{repository}/manifests/{reference}"
        self._expect(201, "PUT", path, body=body, headers={"Content-Type": media_type})

    def _expect(
        self, status: int, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        answer = self.request(method, path, body=body, headers=headers)
        if answer.status != status:
            words = answer.body[:500].decode(errors="replace")
            raise UnexpectedAnswerError(f"{method} {path}: {answer.status} instead of {status}: {words}")
        return answer


def digest_of(content: bytes) -> str:
    """The SHA-256 digest."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _path(location: str, **query: str) -> str:
    """Path and query of a Location, which may be relative (RFC 9110, 10.2.2), with more added to its query."""
    parts = urlsplit(location)
    joined = "&".join(part for part in (parts.query, urlencode(query)) if part)
    return parts.path + (f"?{joined}" if joined else "")
