"""The upstream fields of a section of the settings: the registry, its failovers, its token servers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable

from . import names
from .upstream import Upstream, ca_error, credential_error, host_error, normalize_ca, path_error

MAX_FAILOVERS = 3
MAX_REALMS = 8


@dataclass(frozen=True)
class FieldError:
    """One wrong field: its path below `spec.settings` and what is wrong, never its value."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def parse_upstream(section: dict[str, Any], at: str, errors: list[FieldError]) -> Upstream:
    """The upstream that a section describes; problems are appended to `errors` with the path of the field."""
    main = _address(section, at, errors)
    realms = _realms(section, at, errors)
    return replace(main, realms=realms, failover=_failovers(section, at, errors, main))


def _address(section: dict[str, Any], at: str, errors: list[FieldError], main: Upstream | None = None) -> Upstream:
    """One address. What a failover does not say is as at `main`, the address it stands in for."""

    def text(field: str, check: Callable[[str], str], default: str | None = "") -> str:
        """The field; `default` when it is not given, None for one that must be."""
        value = section.get(field)
        if value is None and default is not None:
            return default
        if value is not None and not isinstance(value, str):
            errors.append(FieldError(f"{at}.{field}", "must be text"))
            return default or ""
        problem = check(value or "")
        if problem:
            errors.append(FieldError(f"{at}.{field}", problem))
        return value or ""

    scheme = text("scheme", _scheme_error, main.scheme if main else "https").lower()
    host = text("host", _host_error, None).lower()
    path = text("path", path_error, main.path if main else None).strip("/")
    user = text("user", _user_error)
    password = text("password", credential_error)
    licence = text("license", credential_error)
    ca = text("ca", lambda value: ca_error(value) if value.strip() else "").strip()

    if licence and (user or password):
        errors.append(FieldError(at + ".license", "must not be set together with user and password"))
    if bool(user) != bool(password):
        lonely, missing = ("user", "password") if user else ("password", "user")
        errors.append(FieldError(f"{at}.{missing}", f"is required together with {lonely}"))
    if ca and scheme == "http":
        errors.append(FieldError(at + ".ca", "has no meaning with scheme http; remove it or use https"))
    if licence:
        user, password = names.LICENSE_USER, licence
    if main and not user and not password:
        user, password = main.user, main.password
    if main and not ca and scheme == "https":
        ca = main.ca
    return Upstream(scheme, host, path, user, password, normalize_ca(ca))


def _failovers(section: dict[str, Any], at: str, errors: list[FieldError], main: Upstream) -> tuple[Upstream, ...]:
    addresses = [main]
    for number, entry in enumerate(_items(section, "failover", MAX_FAILOVERS, at, errors)):
        here = f"{at}.failover[{number}]"
        if not isinstance(entry, dict):
            errors.append(FieldError(here, "must be an address with at least the field host"))
            continue
        address = _address(entry, here, errors, main)
        if address.base in [other.base for other in addresses]:
            errors.append(
                FieldError(here + ".host", "is with this path an address that comes earlier; remove one of the two")
            )
        addresses.append(address)
    return tuple(addresses[1:])


def _realms(section: dict[str, Any], at: str, errors: list[FieldError]) -> tuple[str, ...]:
    realms = set()  # their order means nothing, so another order is no change
    for number, value in enumerate(_items(section, "tokenRealms", MAX_REALMS, at, errors)):
        problem = _host_error(value) if isinstance(value, str) else "must be text"
        if problem:
            errors.append(FieldError(f"{at}.tokenRealms[{number}]", problem))
        else:
            realms.add(value.lower())
    return tuple(sorted(realms))


def _items(section: dict[str, Any], field: str, most: int, at: str, errors: list[FieldError]) -> list[Any]:
    items = section.get(field)
    if items is None:
        return []
    if not isinstance(items, list):
        errors.append(FieldError(f"{at}.{field}", "must be a list"))
        return []
    if len(items) > most:
        errors.append(FieldError(f"{at}.{field}", f"must have at most {most} entries"))
    return items[:most]


def _host_error(value: str) -> str:
    problem = host_error(value)
    if not problem and value.lower().partition(":")[0] == names.VIRTUAL_NAME:
        return "must be the real registry, not the virtual address itself"
    return problem


def _scheme_error(value: str) -> str:
    return "" if value in ("http", "https", "HTTP", "HTTPS") else "must be https or http"


def _user_error(value: str) -> str:
    if ":" in value:
        return "must not have a colon (HTTP Basic cannot carry it)"
    return credential_error(value)
