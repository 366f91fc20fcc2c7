"""A short-lived CA with one serving certificate, for HTTPS servers of the tests."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def serving_certificate(address: str) -> tuple[bytes, bytes, bytes]:
    """Serving certificate, its key, and the CA, all PEM."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-operator-ca")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-operator")])
    now = datetime.datetime.now(datetime.UTC)

    def build(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(issuer_name=ca_name, subject_name=subject, public_key=public)
        valid = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        return valid.not_valid_after(now + datetime.timedelta(days=30))

    ca = build(ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    leaf = build(name, key.public_key()).add_extension(alternative, critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = serialization.Encoding.PEM
    return (
        leaf.sign(ca_key, hashes.SHA256()).public_bytes(pem),
        private,
        ca.sign(ca_key, hashes.SHA256()).public_bytes(pem),
    )
