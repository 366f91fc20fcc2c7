"""Which CA and serving certificate to use now: kept while good, renewed with an overlap.

When the CA changes, the new one is trusted everywhere before anything is signed by it:
`ca` signs, `next` waits until every Ready node trusts it, `previous` is trusted until it expires.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Iterable

from . import certificates, names
from .certificates import Pair
from .encoding import decode

DNS_NAMES = (names.VIRTUAL_NAME, "localhost")
LOOPBACK = "127.0.0.1"


def advance(
    current: dict[str, Any], *, addresses: Iterable[str], now: dt.datetime, distributed: bool
) -> dict[str, Any]:
    """The `internal.pki` subtree.

    :param current: `internal.pki`, or what the Secret `registry-pki` says after a restart, or {}
    :param addresses: InternalIPs of all control-plane nodes
    :param distributed: every Ready node and the platform trust the current bundle
    :return: {ca, next?, previous: [PEM], serving: {crt, key}, bundle}; equal to `current` when nothing is due
    """
    ca, following = _pair(current.get("ca")), _pair(current.get("next"))
    previous = [pem for pem in current.get("previous") or [] if certificates.alive(str(pem), now)]

    if ca is None or not ca.valid(now):
        ca, following = following or certificates.new_ca(now), None
    elif not ca.fresh(now):
        if following is None:
            following = certificates.new_ca(now)
        elif distributed:
            previous = [ca.crt, *previous]
            ca, following = following, None

    serving = _pair(current.get("serving"))
    if serving is None or not _good(serving, ca, addresses, now):
        serving = certificates.new_serving(ca, DNS_NAMES, sorted({LOOPBACK, *addresses}), now)

    trusted = [ca.crt] + ([following.crt] if following else []) + previous
    result: dict[str, Any] = {
        "ca": {"crt": ca.crt, "key": ca.key},
        "previous": previous,
        "serving": {"crt": serving.crt, "key": serving.key},
        "bundle": "".join(pem if pem.endswith("\n") else pem + "\n" for pem in trusted),
    }
    if following:
        result["next"] = {"crt": following.crt, "key": following.key}
    return result


def from_secret(data: Any) -> dict[str, Any]:
    """`internal.pki` from the data of Secret `registry-pki` (base64), after a restart; {} without it."""
    if not isinstance(data, dict):
        return {}
    text = {key: decode(value) for key, value in data.items()}
    pairs = {
        name: {"crt": text[f"{name}.crt"], "key": text[f"{name}.key"]}
        for name in ("ca", "next", "serving")
        if text.get(f"{name}.crt") and text.get(f"{name}.key")
    }
    return {**pairs, "previous": certificates.split(text.get("previous.crt", ""))}


def distributed(internal: dict[str, Any]) -> bool:
    """Whether every Ready node and the platform already trust the current bundle."""
    bundle = (internal.get("pki") or {}).get("bundle")
    route, facts = internal.get("nodeRoute") or {}, internal.get("facts") or {}
    nodes, platform = facts.get("nodes") or {}, facts.get("platform") or {}
    delivered = any(f["name"] == "ca/gateway.crt" and f["content"] == bundle for f in route.get("files") or [])
    updated = sum(g["ready"] for g in nodes.get("versions") or [] if g["version"] == route.get("version"))
    return (
        bool(bundle)
        and delivered
        and updated == nodes.get("ready")
        and (platform.get("registry") or {}).get("ca") == bundle
    )


def _pair(data: Any) -> Pair | None:
    try:
        return Pair(str(data["crt"]), str(data["key"]))
    except (ValueError, KeyError, TypeError):
        return None


def _good(serving: Pair, ca: Pair, addresses: Iterable[str], now: dt.datetime) -> bool:
    dns, ips = certificates.names_of(serving)
    return (
        serving.fresh(now)
        and certificates.signed_by(serving, ca)
        and set(DNS_NAMES) <= dns
        and {LOOPBACK, *addresses} <= ips
        and certificates.for_peers(serving)
    )
