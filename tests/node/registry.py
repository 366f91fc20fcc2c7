"""A small TLS registry that keeps a list of what it was asked, by whom: enough to see which way a node pulled."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.certs import KeyPair, issue
from tests.support.images import INDEX, MANIFEST, Image

TAG = "v1"  # of every image's index


@dataclass(frozen=True)
class Request:
    """One request: `client` is the common name of the certificate presented, or empty; `ns` the query of that name."""

    method: str
    path: str
    ns: str
    client: str


@dataclass
class Registry:
    """Serves `images` (repository → image) at `address`; `requests` grows as they arrive, liveness probes left out."""

    address: str
    images: Mapping[str, Image]
    need_client: bool
    requests: list[Request] = field(default_factory=list)

    def seen(self) -> list[Request]:
        """The requests since the last call."""
        taken, self.requests[:] = list(self.requests), []
        return taken


@contextmanager
def registry(
    folder: Path,
    images: Mapping[str, Image],
    *,
    ca: KeyPair,
    client_ca: KeyPair | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    scheme: str = "https",
) -> Iterator[Registry]:
    """Run a registry on `host`:`port` (0: any) until the block ends.

    Its certificate is issued by `ca`. With `client_ca` a client without a certificate of that authority gets a 401.
    """
    server = ThreadingHTTPServer((host, port), _Handler)
    server.daemon_threads = True
    state = Registry(f"{host}:{server.server_address[1]}", dict(images), client_ca is not None)
    server.state = state  # type: ignore[attr-defined]  # the handler's way to its registry
    if scheme == "https":
        certificate, key = issue(ca, cn="registry", ips=[host]).write(folder, "serving")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if client_ca:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=client_ca.cert)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: the list of requests is the log."""

    def _answer(self) -> None:
        state: Registry = self.server.state  # type: ignore[attr-defined]  # set by registry()
        url = urlsplit(self.path)
        client = self._client()
        path = unquote(url.path)
        if path != "/v2/":
            ns = parse_qs(url.query).get("ns", [""])[0]
            state.requests.append(Request(self.command, path, ns, client))
        if state.need_client and not client:
            self._send(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', "application/json")
        elif path == "/v2/":
            self._send(200, b"{}", "application/json")
        else:
            self._content(state, path)

    def _content(self, state: Registry, path: str) -> None:
        repository, kind, digest = _split(path)
        image = state.images.get(repository)
        known = {image.digest, *image.manifests} if image else set()
        if image and kind == "manifests" and digest == TAG:
            digest = image.digest
        if image and kind == "manifests" and digest in known:
            self._send(200, image.blob(digest), INDEX if digest == image.digest else MANIFEST, digest)
        elif image and kind == "blobs" and digest in {*image.configs, *image.layers}:
            self._send(200, image.blob(digest), "application/octet-stream", digest)
        else:
            self._send(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}', "application/json")

    def _client(self) -> str:
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        if not certificate:
            return ""
        # The standard library's types call the subject a union of tuples of unknown depth.
        subject = cast("tuple[tuple[tuple[str, str], ...], ...]", certificate["subject"])
        return next((value for rdn in subject for name, value in rdn if name == "commonName"), "")

    def _send(self, status: int, body: bytes, kind: str, digest: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _split(path: str) -> tuple[str, str, str]:
    """`/v2/<repository>/<manifests|blobs>/<digest>` in its three parts; empty ones when it has another shape."""
    repository, _, digest = path.removeprefix("/v2/").rpartition("/")
    repository, _, kind = repository.rpartition("/")
    return repository, kind, digest
