"""Facts about certificates that `ssl` does not tell."""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID


def not_after(chain: bytes) -> float:
    """When the first certificate of `chain` (PEM) ends, in Unix seconds. Raises ValueError when there is none."""
    return x509.load_pem_x509_certificate(chain).not_valid_after_utc.timestamp()


@lru_cache(maxsize=2048)  # about the nodes that one worker sees; 1 KiB each
def is_for_clients(certificate: bytes) -> bool:
    """Whether `certificate` (DER) names clientAuth among its extended key usages (RFC 5280, 4.2.1.12).

    OpenSSL refuses one that names other usages only, and takes one that names none to be good for all.
    """
    try:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        return ExtendedKeyUsageOID.CLIENT_AUTH in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound):
        return False


@lru_cache(maxsize=2048)
def is_issued_by(authorities: tuple[bytes, ...], certificate: bytes) -> bool:
    """Whether one of `authorities` (DER) has itself signed `certificate` (DER): its key, not only its name."""
    try:
        leaf = x509.load_der_x509_certificate(certificate)
    except ValueError:
        return False
    for authority in authorities:
        try:
            leaf.verify_directly_issued_by(x509.load_der_x509_certificate(authority))
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False
