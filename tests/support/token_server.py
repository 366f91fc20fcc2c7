"""A Bearer token server for tests, as the distribution token specification describes it.

In a test: `with TokenServer(...) as server: server.realm`. As a process, in any network namespace:

    python -m tests.support.token_server --listen 198.51.100.9:5051 --tls-cert c.crt --tls-key c.key \\
        --issuer test --service registry --signing-cert s.crt --signing-key s.key --user reader:secret

It prints one line `listening on https://HOST:PORT/token` when it serves. A known user gets every action it asks for.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import secrets
import ssl
import tempfile
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.certs import KeyPair


class Signer:
    """Signs JWTs (RS256); the certificate travels in `x5c`, so a registry needs only `rootcertbundle`."""

    def __init__(self, pair: KeyPair) -> None:
        key = serialization.load_pem_private_key(pair.key.encode(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("the signing key must be RSA: make_ca(key='rsa')")
        self._key = key
        der = x509.load_pem_x509_certificate(pair.cert.encode()).public_bytes(serialization.Encoding.DER)
        self._header = {"alg": "RS256", "typ": "JWT", "x5c": [base64.b64encode(der).decode()]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The compact serialization of `claims`."""
        body = f"{_encode(self._header)}.{_encode(claims)}"
        signature = self._key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{body}.{_base64url(signature)}"


class TokenServer:
    """The server, in a thread of its own. `users` maps name to password; `expires_in` None leaves the field out."""

    def __init__(
        self,
        *,
        signing: KeyPair,
        users: Mapping[str, str],
        tls: KeyPair | None = None,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        issuer: str = "test-issuer",
        service: str = "test-registry",
        expires_in: int | None = 300,
        anonymous: bool = False,
    ) -> None:
        self.users = dict(users)
        self.issuer, self.service, self.expires_in, self.anonymous = issuer, service, expires_in, anonymous
        self.requests: list[tuple[str, str]] = []  # (user, scope) of every token request, refused ones too
        self._signer = Signer(signing)
        self._http = ThreadingHTTPServer(listen, _handler(self))
        self._http.daemon_threads = True
        if tls:
            self._http.socket = _tls_context(tls).wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        host, port = self._http.server_address[:2]
        self.realm = f"{'https' if tls else 'http'}://{host!s}:{port}/token"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)

    def serve_forever(self) -> None:
        """Serve in the calling thread, for the command line."""
        self._http.serve_forever()

    def answer(self, *, authorization: str, scopes: list[str], service: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON body of one token request."""
        user, password = _basic(authorization)
        self.requests.append((user, " ".join(scopes)))
        known = user in self.users and secrets.compare_digest(self.users[user].encode(), password.encode())
        if not known and not (self.anonymous and not authorization):
            return 401, {"details": "authentication required"}
        if service != self.service:
            return 400, {"details": "unknown service"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": user,
            "aud": self.service,
            "iat": now,
            "nbf": now - 10,
            "exp": now + (self.expires_in if self.expires_in is not None else 60),
            "jti": secrets.token_hex(8),
            "access": [_access(scope) for scope in scopes],
        }
        body: dict[str, Any] = {"token": self._signer.sign(claims)}
        if self.expires_in is not None:
            body["expires_in"] = self.expires_in
        return 200, body


def _handler(server: TokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            scopes = [scope for value in query.get("scope", []) for scope in value.split()]
            status, body = server.answer(
                authorization=self.headers.get("Authorization", ""),
                scopes=scopes,
                service=query.get("service", [""])[0],
            )
            self._send(status, body)

        def do_POST(self) -> None:
            # Most registries' token servers know no OAuth2 form; clients fall back to GET on 405.
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._send(405, {"details": "use GET"})

        def _send(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Silent: requests are in `server.requests`."""

    return Handler


def _access(scope: str) -> dict[str, Any]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return {"type": kind, "name": name, "actions": actions.split(",")}


def _basic(authorization: str) -> tuple[str, str]:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _tls_context(pair: KeyPair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # ssl loads from files only
        context.load_cert_chain(*pair.write(Path(folder), "tls"))
    return context


def _encode(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def main() -> None:
    """The command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="token_server")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT")
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--issuer", default="test-issuer")
    parser.add_argument("--service", default="test-registry")
    parser.add_argument("--signing-cert", type=Path, required=True)
    parser.add_argument("--signing-key", type=Path, required=True)
    parser.add_argument("--user", action="append", default=[], metavar="NAME:PASSWORD")
    parser.add_argument("--expires-in", type=int, default=300)
    parser.add_argument("--anonymous", action="store_true", help="tokens without credentials, too")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    tls = KeyPair(options.tls_cert.read_text(), options.tls_key.read_text()) if options.tls_cert else None
    server = TokenServer(
        signing=KeyPair(options.signing_cert.read_text(), options.signing_key.read_text()),
        users=dict(entry.split(":", 1) for entry in options.user),
        tls=tls,
        listen=(host, int(port)),
        issuer=options.issuer,
        service=options.service,
        expires_in=options.expires_in,
        anonymous=options.anonymous,
    )
    print(f"listening on {server.realm}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
