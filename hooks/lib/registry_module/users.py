"""The module's own accounts: `ro` pulls, `rw` pushes."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
import string
from typing import Any, Callable

RIGHTS = {"ro": "pull", "rw": "push"}
_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 32
OVERLAP = dt.timedelta(hours=24)
"""How long a password works after a new one has taken its place."""
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_USABLE = re.compile(r"[\x21-\x7e]{16,256}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def generate_password() -> str:
    """32 letters and digits: 190 bits, so that a plain SHA-256 of it is no weakness."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def keep(
    current: dict[str, Any],
    stored: dict[str, dict[str, Any]],
    *,
    now: dt.datetime,
    delivered: bool,
    generate: Callable[[], str] = generate_password,
) -> dict[str, dict[str, Any]]:
    """The accounts: from the Secrets, else from the values, else new; an unusable password counts as none.

    A new password, given by the Secret or made because the Secret was deleted, does not end the one before at once.

    :param current: `internal.users`, empty after a restart of the operator
    :param stored: user name → {password, previous}, as the Secrets say
    :param delivered: Secrets were made before, so that one that is missing was deleted
    """
    result: dict[str, dict[str, Any]] = {}
    for name in sorted(RIGHTS):
        kept, before = stored.get(name), current.get(name) or {}
        old, given = _usable(before.get("password")), _usable((kept or {}).get("password"))
        deleted = delivered and kept is None
        password: str = given or ("" if deleted else old) or generate()
        previous = before.get("previous") or (kept or {}).get("previous")
        if old and old != password:
            previous = {"sha256": _sha256(old), "until": (now + OVERLAP).strftime(_FORMAT)}
        result[name] = {"name": name, "password": password}
        if _lasts(previous, now):
            result[name]["previous"] = previous
    return result


def _usable(password: Any) -> str:
    return password if isinstance(password, str) and _USABLE.match(password) else ""


def _lasts(previous: Any, now: dt.datetime) -> bool:
    if not isinstance(previous, dict) or not _SHA256.match(str(previous.get("sha256"))):
        return False
    return now.strftime(_FORMAT) < str(previous.get("until") or "")  # of one form, so they sort by time


def _sha256(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def pull_login(users: dict[str, Any]) -> tuple[str, str]:
    """User and password that the platform pulls with where gateways keep content; both empty while there are none."""
    found = users.get("ro") or {}
    password = str(found.get("password") or "")
    return ("ro", password) if password else ("", "")


def for_gateway(users: dict[str, Any], *, now: dt.datetime, in_use: tuple[str, str] = ("", "")) -> list[dict[str, str]]:
    """What the gateway needs: names, SHA-256 of passwords (hex), rights; of both passwords while a new one spreads.

    :param in_use: user and password that the platform pulls with at this moment; they work as long as it does
    """
    found = []
    for name in sorted(RIGHTS):
        user = users.get(name) or {}
        hashes = [_sha256(str(user["password"]))] if user.get("password") else []
        hashes += [str(user["previous"]["sha256"])] if _lasts(user.get("previous"), now) else []
        hashes += [_sha256(in_use[1])] if hashes and in_use[0] == name and RIGHTS[name] == "pull" else []
        found += [{"name": name, "sha256": sha256, "rights": RIGHTS[name]} for sha256 in dict.fromkeys(hashes)]
    return found
