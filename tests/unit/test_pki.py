"""Certificates: kept while good, re-issued for new masters and by age, a new CA trusted before it signs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from lib.registry_module import certificates, encoding, pki
from lib.registry_module.certificates import Pair

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
ONE = ("198.51.100.11",)


def advance(
    current: dict[str, Any], days: float = 0, addresses: tuple[str, ...] = ONE, spread: bool = False
) -> dict[str, Any]:
    return pki.advance(current, addresses=addresses, now=NOW + dt.timedelta(days=days), distributed=spread)


@pytest.fixture(scope="module")
def first() -> dict[str, Any]:
    return advance({})


def names(state: dict[str, Any]) -> tuple[set[str], set[str]]:
    return certificates.names_of(Pair(**state["serving"]))


def test_ca_lives_ten_years_and_signs_the_serving_certificate(first: dict[str, Any]) -> None:
    ca = Pair(**first["ca"])
    start, end = certificates.validity(ca.certificate)
    assert (end - start).days == 3650
    assert certificates.signed_by(Pair(**first["serving"]), ca)
    assert first["bundle"] == first["ca"]["crt"]


def test_serving_certificate_names_service_loopback_and_masters(first: dict[str, Any]) -> None:
    assert names(first) == ({"registry.d8-system.svc", "localhost"}, {"127.0.0.1", "198.51.100.11"})


def test_nothing_due_changes_nothing(first: dict[str, Any]) -> None:
    assert advance(first, days=200) == first


def test_joining_master_gets_a_new_certificate_from_the_same_ca(first: dict[str, Any]) -> None:
    later = advance(first, addresses=("198.51.100.11", "198.51.100.12"))
    assert later["ca"] == first["ca"]
    assert "198.51.100.12" in names(later)[1]


def test_leaving_master_keeps_the_certificate(first: dict[str, Any]) -> None:
    assert advance(first, addresses=()) == first


def test_serving_certificate_is_renewed_after_two_thirds_of_its_life(first: dict[str, Any]) -> None:
    assert advance(first, days=242)["serving"] == first["serving"]
    renewed = advance(first, days=245)
    assert renewed["serving"] != first["serving"]
    assert renewed["ca"] == first["ca"]


def test_new_ca_is_trusted_everywhere_before_it_signs(first: dict[str, Any]) -> None:
    announced = advance(first, days=2500)
    assert announced["ca"] == first["ca"]
    assert announced["next"]["crt"] in announced["bundle"]
    assert certificates.signed_by(Pair(**announced["serving"]), Pair(**first["ca"]))
    assert advance(announced, days=2501) == announced
    promoted = advance(announced, days=2502, spread=True)
    assert promoted["ca"] == announced["next"]
    assert "next" not in promoted
    assert first["ca"]["crt"] in promoted["bundle"]
    assert certificates.signed_by(Pair(**promoted["serving"]), Pair(**announced["next"]))


def test_old_ca_leaves_the_bundle_when_it_expires(first: dict[str, Any]) -> None:
    promoted = advance(advance(first, days=2500), days=2501, spread=True)
    assert first["ca"]["crt"] not in advance(promoted, days=3700, spread=True)["bundle"]


@pytest.mark.parametrize("damage", [{"key": "x"}, {"crt": "x"}, {"crt": ""}, {"key": ""}])
def test_damaged_ca_is_replaced(first: dict[str, Any], damage: dict[str, str]) -> None:
    repaired = advance({**first, "ca": {**first["ca"], **damage}})
    assert certificates.signed_by(Pair(**repaired["serving"]), Pair(**repaired["ca"]))


def test_mixed_up_pair_is_refused_without_showing_the_key(first: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="do not belong together") as error:
        Pair(first["ca"]["crt"], first["serving"]["key"])
    assert "PRIVATE" not in str(error.value)


def test_secret_restores_the_same_state(first: dict[str, Any]) -> None:
    announced = advance(first, days=2500)
    data = {
        f"{name}.{part}": encoding.encode(announced[name][part])
        for name in ("ca", "next", "serving")
        for part in ("crt", "key")
    }
    data["previous.crt"] = encoding.encode("")
    assert advance(pki.from_secret(data), days=2500) == announced


@pytest.mark.parametrize("data", [None, [], "x", {"ca.crt": "%%%"}, {"ca.crt": 5}])
def test_unreadable_secret_restores_nothing(data: Any) -> None:
    assert "ca" not in pki.from_secret(data)


def test_serving_certificate_is_that_of_a_peer_too(first: dict[str, Any]) -> None:
    certificate = Pair(**first["serving"]).certificate
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [oid.dotted_string for oid in usage] == ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]
    assert certificate.subject.rfc4514_string() == "CN=registry.d8-system.svc,O=registry.deckhouse.io:peers"
    assert certificate.issuer.rfc4514_string() == "CN=registry-ca"


@pytest.mark.parametrize("old", ["servers only", "no organization", "another organization"])
def test_certificate_that_is_no_peers_is_issued_again_by_the_same_ca(
    first: dict[str, Any], old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        if old == "servers only":
            before.setattr(certificates, "_USAGES", (ExtendedKeyUsageOID.SERVER_AUTH,))
        else:
            before.setattr(certificates, "PEERS", "" if old == "no organization" else "system:nodes")
        serving = certificates.new_serving(Pair(**first["ca"]), pki.DNS_NAMES, ["127.0.0.1", *ONE], NOW)
    assert not certificates.for_peers(serving)
    later = advance({**first, "serving": {"crt": serving.crt, "key": serving.key}})
    assert certificates.for_peers(Pair(**later["serving"]))
    assert (later["ca"], later["bundle"]) == (first["ca"], first["bundle"])
    assert advance(later) == later
