"""A wrong upstream stops the switch before any node is touched, and the condition says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.modes import to_unmanaged, touched
from tests.platform.assembly import Platform
from tests.platform.settings import direct
from tests.support.certs import issue, make_ca

pytestmark = [pytest.mark.root, pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def forbidding(platform: Platform) -> Iterator[dict[str, Any]]:
    """A registry that answers 403 to everything: its settings."""
    host = platform.cluster.add_host("forbid", names=["forbid.test"])
    authority = make_ca("authority of forbid.test")
    pair = issue(authority, names=["forbid.test"], ips=[])
    folder = platform.folder / "forbid"
    folder.mkdir()
    for name, text in (("tls.crt", pair.cert), ("tls.key", pair.key)):
        (folder / name).write_text(text)
    (folder / "nginx.conf").write_text(
        f"""daemon off; pid {folder}/pid; error_log {folder}/error.log; user root;
        events {{}}
        http {{ access_log off; server {{ listen {host.address}:5000 ssl;
          ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key; return 403; }} }}"""
    )
    host.start_daemon("nginx", ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    yield {"host": "forbid.test:5000", "ca": authority.cert}
    host.stop_daemon("nginx")


CASES = {
    "nobody listens": ({"host": "registry-a.test:5999"}, "RegistryUnreachable", ["registry-a.test:5999", "refused"]),
    "no such name": ({"host": "nowhere.test"}, "RegistryUnreachable", ["nowhere.test"]),
    "authority not given": ({"ca": ""}, "CertificateNotTrusted", ["registry-a.test", "`ca`"]),
    "wrong password": ({"password": "wrong-password-1"}, "CredentialsRefused", ["registry-a.test", "401"]),
    "wrong path": ({"path": "/deckhouse/fe"}, "ImagesMissing", ["deckhouse/fe", "404"]),
    "http on an https port": ({"scheme": "http", "ca": ""}, "UpstreamError", ["registry-a.test", "scheme"]),
}


def refused(platform: Platform, settings: dict[str, Any], reason: str) -> str:
    """Apply, and wait for the refusal; the message."""
    platform.apply(settings)

    def done(status: dict[str, Any]) -> bool:
        return any((c["type"], c["reason"]) == ("ImagesAvailable", reason) for c in status.get("conditions", []))

    platform.wait_status(done, f"ImagesAvailable with reason {reason}", 60)
    return str(platform.condition("ImagesAvailable")["message"])


@pytest.mark.parametrize("case", list(CASES))
def test_wrong_upstream_touches_nothing_and_is_named(platform: Platform, case: str) -> None:
    fields, reason, words = CASES[case]
    if case == next(iter(CASES)):
        to_unmanaged(platform)
    message = refused(platform, direct(platform.upstream_a, **fields), reason)
    for word in words:
        assert word in message
    assert touched(platform) == []
    assert platform.operator.queue_errors() == {}


def test_forbidden_is_named(platform: Platform, forbidding: dict[str, Any]) -> None:
    message = refused(platform, direct(platform.upstream_a, **forbidding), "AccessForbidden")
    assert "forbid.test:5000" in message
    assert "403" in message
    assert touched(platform) == []


def test_single_missing_image_is_named(platform: Platform) -> None:
    upstream = platform.upstream_b
    to_unmanaged(platform)
    upstream.break_image(platform.images["app"])
    try:
        message = refused(platform, direct(upstream), "ImagesMissing")
        assert "app/app" in message
        assert "404" in message
        assert touched(platform) == []
    finally:
        upstream.repair_images()
    platform.wait_ready("Direct")  # the check is repeated; the repaired registry is taken into service by itself
