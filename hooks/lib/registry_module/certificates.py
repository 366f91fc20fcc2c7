"""X.509 building blocks: a CA, a serving certificate, and what may be asked of both. ECDSA P-256 throughout."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_NAME = "registry-ca"
CA_LIFE = dt.timedelta(days=3650)
SERVING_LIFE = dt.timedelta(days=365)
PEERS = "registry.deckhouse.io:peers"
"""Organization of the certificate by which replicas of the gateway know each other."""
_USAGES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_CLOCK_SKEW = dt.timedelta(hours=1)


class Pair:
    """A certificate and its private key, both PEM; `ValueError` when they are unreadable or do not belong together."""

    def __init__(self, crt: str, key: str) -> None:
        self.crt, self.key = crt, key
        try:
            self.certificate = x509.load_pem_x509_certificate(crt.encode())
            self.private = serialization.load_pem_private_key(key.encode(), password=None)
        except Exception:  # cryptography raises several unrelated types; none may carry the key's text outward
            raise ValueError("unreadable certificate or key") from None
        if self.private.public_key() != self.certificate.public_key():
            raise ValueError("certificate and key do not belong together")

    def fresh(self, now: dt.datetime) -> bool:
        """Whether less than two thirds of its life have passed."""
        start, end = validity(self.certificate)
        return start <= now < start + (end - start) * 2 / 3

    def valid(self, now: dt.datetime) -> bool:
        start, end = validity(self.certificate)
        return start <= now < end


def validity(certificate: x509.Certificate) -> tuple[dt.datetime, dt.datetime]:
    """Not before and not after, in UTC, with old and new versions of the library."""
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    utc = dt.timezone.utc
    return certificate.not_valid_before.replace(tzinfo=utc), certificate.not_valid_after.replace(tzinfo=utc)


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: x509.Name, issuer: x509.Name | None, public: object, now: dt.datetime, life: dt.timedelta):  # type: ignore[no-untyped-def] # the builder's type differs between the supported library versions
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(public)  # type: ignore[arg-type] # see above
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _usage(**enabled: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: enabled.get(name, False) for name in names})


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(certificate.public_bytes(pem).decode(), private.decode())


def new_ca(now: dt.datetime) -> Pair:
    """A self-signed CA for ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(CA_NAME), None, key.public_key(), now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def new_serving(ca: Pair, dns: Sequence[str], addresses: Iterable[str], now: dt.datetime) -> Pair:
    """A serving certificate for these names and addresses, for a year, never longer than its CA.

    Replicas of the gateway ask each other with it as well: it is for clients too, and its organization says so.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    life = min(SERVING_LIFE, validity(ca.certificate)[1] - now)
    sans: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
    sans += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    builder = (
        _builder(_name(dns[0], PEERS), ca.certificate.subject, key.public_key(), now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_USAGES), critical=False)
        .add_extension(x509.SubjectAlternativeName(sans), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.certificate.public_key()),  # type: ignore[arg-type] # our CA is always EC
            critical=False,
        )
    )
    return _pair(builder.sign(ca.private, hashes.SHA256()), key)


def names_of(pair: Pair) -> tuple[set[str], set[str]]:
    """DNS names and addresses a certificate is good for."""
    try:
        extension = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set(), set()
    addresses = {str(address) for address in extension.get_values_for_type(x509.IPAddress)}
    return set(extension.get_values_for_type(x509.DNSName)), addresses


def for_peers(pair: Pair) -> bool:
    """Whether replicas accept the certificate from each other: its organization, and that it is for clients too."""
    organizations = [name.value for name in pair.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    try:
        usages = pair.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return organizations == [PEERS] and set(_USAGES) <= set(usages)


def signed_by(pair: Pair, ca: Pair) -> bool:
    """Whether `ca`'s key made the signature."""
    try:
        ca.private.public_key().verify(  # type: ignore[union-attr,call-arg] # our CA is always EC
            pair.certificate.signature,
            pair.certificate.tbs_certificate_bytes,
            ec.ECDSA(pair.certificate.signature_hash_algorithm),  # type: ignore[arg-type] # never None for ECDSA
        )
    except Exception:  # InvalidSignature, or a key of another kind: either way not ours
        return False
    return True


def alive(pem: str, now: dt.datetime) -> bool:
    """Whether `pem` is a readable certificate that has not expired."""
    try:
        return validity(x509.load_pem_x509_certificate(pem.encode()))[1] > now
    except ValueError:
        return False


def split(bundle: str) -> list[str]:
    """The certificates of a PEM bundle, one text each."""
    end = "-----END CERTIFICATE-----"
    return [part.strip() + "\n" + end + "\n" for part in bundle.split(end) if part.strip()]
