"""What certificates are for."""

from __future__ import annotations

import ssl

import pytest

from registry_gateway.certificate import is_for_clients
from tests.gateway.material import Material
from tests.support.certs import issue


@pytest.mark.parametrize(
    ("client", "server", "expected"),
    [(True, False, True), (True, True, True), (False, True, False), (False, False, False)],
)
def test_only_a_certificate_that_says_so_is_for_clients(
    material: Material, client: bool, server: bool, expected: bool
) -> None:
    issued = issue(material.client_ca, cn="n", client=client, server=server)
    assert is_for_clients(ssl.PEM_cert_to_DER_cert(issued.cert)) == expected


def test_what_is_no_certificate_is_for_nobody() -> None:
    assert not is_for_clients(b"\x30\x00garbage")
