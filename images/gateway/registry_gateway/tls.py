"""TLS: the context the gateway serves with, and those it asks upstreams and the other replicas with.

Client certificates are optional. What OpenSSL does then: a client without a certificate is let in; a client whose
certificate does not chain to the client CA fails the handshake, whatever password it might have offered afterwards,
and `ssl` has no way to say otherwise. Decided, with that in mind:
- without a client CA and without peers no certificate is asked for, so nobody can fail by one;
- dates are not OpenSSL's business here (NO_CHECK_TIME): an expired certificate counts as none, see `access`;
- a certificate of a foreign authority does fail the handshake. Only nodes and peers are configured to present one,
  and theirs are issued by the cluster's CA and by the module's; while one is rotated, its file holds both;
- which of the two authorities issued a certificate is not OpenSSL's business either: see `certificate` and `access`.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from registry_gateway.config import certificates

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL; the ssl module has no name for it


class TlsError(Exception):
    """Certificates that cannot be served with. The message names files, never content."""


def server_context(*, chain: bytes, key: bytes, client_ca: bytes, peer_ca: bytes = b"") -> ssl.SSLContext:
    """A context that serves `chain`/`key` (PEM) and takes client certificates of `client_ca` and of `peer_ca` (PEM,
    each may be empty).

    Every reload makes a new context instead of changing the old one: authorities can be added to a context but not
    removed, and session tickets, which let a client skip the verification, end with the context that gave them.
    Raises TlsError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _present(context, chain, key)
    for name, authorities in (("client-ca.crt", client_ca), ("ca.crt", peer_ca)):
        if authorities.strip():
            _trust(context, authorities, name)
            context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
            context.verify_mode = ssl.CERT_OPTIONAL
    return context


def peer_context(*, chain: bytes, key: bytes, ca: bytes) -> ssl.SSLContext:
    """A context for asking the other replicas: presents `chain`/`key`, trusts `ca` and nobody else. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _present(context, chain, key)
    _trust(context, ca, "ca.crt")
    return context


def upstream_context(ca: str) -> ssl.SSLContext:
    """A context that trusts the system's authorities and those in `ca` (PEM, may be empty)."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca.strip():
        context.load_verify_locations(cadata=certificates(ca))
    return context


def _present(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    with _in_memory(chain) as chain_path, _in_memory(key) as key_path:
        try:
            context.load_cert_chain(chain_path, key_path, password=_no_password)
        except (ssl.SSLError, ValueError, OSError):
            raise TlsError("tls.crt, tls.key: are not a certificate and its key in PEM") from None


def _trust(context: ssl.SSLContext, authorities: bytes, name: str) -> None:
    try:
        context.load_verify_locations(cadata=certificates(authorities.decode(errors="replace")))
    except (ssl.SSLError, ValueError):
        raise TlsError(f"{name}: holds no certificate in PEM") from None


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path that `ssl` can read `content` from, without a file on any disk."""
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _no_password() -> str:
    return ""  # an encrypted key must be an error, not a prompt on the terminal
