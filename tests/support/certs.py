"""Certificates made on the spot: authorities and what they issue, as PEM."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KeyKind = Literal["ec", "rsa"]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class KeyPair:
    """A certificate (PEM) and its private key (PEM, PKCS#8)."""

    cert: str
    key: str

    def write(self, folder: Path, stem: str) -> tuple[Path, Path]:
        """Write `<stem>.crt` and `<stem>.key` (mode 0600) below `folder`; returns both paths."""
        folder.mkdir(parents=True, exist_ok=True)
        cert, key = folder / f"{stem}.crt", folder / f"{stem}.key"
        cert.write_text(self.cert)
        key.write_text(self.key)
        key.chmod(0o600)
        return cert, key


def make_ca(name: str = "test CA", *, key: KeyKind = "ec", days: float = 3650) -> KeyPair:
    """A self-signed authority, valid from an hour ago for `days` days."""
    private = _private_key(key)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        _builder(subject, subject, private, days=days, start=None)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    )
    return _pair(builder.sign(private, hashes.SHA256()), private)


def issue(
    ca: KeyPair,
    *,
    cn: str = "",
    org: str | Sequence[str] = (),
    names: Sequence[str] = (),
    ips: Sequence[str] = (),
    client: bool = False,
    server: bool | None = None,
    key: KeyKind = "ec",
    days: float = 365,
    start: dt.datetime | None = None,
) -> KeyPair:
    """A certificate of `ca` for DNS `names` and `ips`.

    `cn` defaults to the first name. `client` adds the clientAuth usage; `server` adds serverAuth and defaults to
    "there is a name or an address". `start` (default: an hour ago) and `days` make expired or future certificates.
    """
    issuer = x509.load_pem_x509_certificate(ca.cert.encode())
    signer = serialization.load_pem_private_key(ca.key.encode(), password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    private = _private_key(key)
    organizations = [org] if isinstance(org, str) else list(org)
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
        + [x509.NameAttribute(NameOID.COMMON_NAME, cn or (names[0] if names else "test"))]
    )
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH] if client else []
    if server if server is not None else bool(names or ips):
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    builder = (
        _builder(subject, issuer.subject, private, days=days, start=start)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(_authority_id(signer), critical=False)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return _pair(builder.sign(signer, hashes.SHA256()), private)


def issue_node(ca: KeyPair, node: str) -> KeyPair:
    """A kubelet's client certificate as the cluster's CA issues it: O=system:nodes, CN=system:node:<node>."""
    return issue(ca, cn=f"system:node:{node}", org="system:nodes", client=True)


def _authority_id(signer: PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())


def _private_key(kind: KeyKind) -> PrivateKey:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _builder(
    subject: x509.Name, issuer: x509.Name, private: PrivateKey, *, days: float, start: dt.datetime | None
) -> x509.CertificateBuilder:
    begin = start or dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=days))
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: x509.Certificate, private: PrivateKey) -> KeyPair:
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    key = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(pem, key.decode())
