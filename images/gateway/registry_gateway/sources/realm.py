"""Which token servers may see an upstream's credentials.

A registry names its token server itself; one that is broken into, or answered for by somebody else, could name any.
So the realm must be at the upstream's own host, in its registrable domain or at a host that the administrator lists,
and no less encrypted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from yarl import URL

# Country domains that sell names below a second level of their own: `registry.firm.co.uk` and `token.other.co.uk` are
# not one owner's. The full public suffix list is 300 KB that would need updates; this covers the pattern.
_SECOND_LEVEL = frozenset(
    ("ac", "co", "com", "edu", "gov", "gob", "go", "mil", "msk", "ne", "net", "nom", "or", "org", "spb")
)


def is_trusted(realm: URL, *, upstream: URL, listed: Collection[str] = ()) -> bool:
    """Whether the credentials for `upstream` may be sent to `realm`. `listed` are further hosts: `name` with any port,
    or `name:port`.
    """
    if realm.scheme not in ("https", "http") or (upstream.scheme == "https" and realm.scheme != "https"):
        return False
    ours, theirs = _host(upstream), _host(realm)
    if not theirs or realm.raw_user or realm.raw_password:
        return False
    if ours == theirs or registrable(ours) == registrable(theirs) != "":
        return True
    return any(_is_at(realm, entry) for entry in listed)


def registrable(host: str) -> str:
    """The registrable domain of `host`: its last two labels, three below a country's second level; "" if none."""
    labels = host.split(".")
    if _is_address(host) or len(labels) < 2 or not all(labels):
        return ""
    if len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL:
        return ".".join(labels[-3:]) if len(labels) > 2 else ""
    return ".".join(labels[-2:])


def _is_at(realm: URL, entry: str) -> bool:
    place = URL(f"//{entry}")
    return _host(place) == _host(realm) and place.explicit_port in (None, realm.port)


def _host(url: URL) -> str:
    return (url.raw_host or "").lower().rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # The last label of a name is never all digits; forms like 127.1 are addresses to a resolver.
        return host.rsplit(".", 1)[-1].isdigit()
    return True
