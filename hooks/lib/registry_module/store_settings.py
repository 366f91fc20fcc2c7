"""How content is kept on the control-plane nodes: sections `storage`, `proxy` and `local` of the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable

from . import kept_images, quantities
from .kept_images import KeptImage
from .storage_folder import DEFAULT_MODE, DEFAULT_PATH, mode_error, path_error
from .upstream import Upstream
from .upstream_settings import FieldError, parse_upstream

CACHE = "cache"
COPY = "copy"
SPARE = "spare"
"""Roles of a store, as the gateways' configuration names them; no settings ask for a spare."""

DEFAULT_OWNER = 64535
MAX_OWNER = 2**31 - 1  # Kubernetes, PodSecurityContext.runAsUser
MIN_TTL = 300
MAX_KEPT = 100


@dataclass(frozen=True)
class StoreSettings:
    """One store, normalized. Sizes in bytes, times in seconds, rates in bytes a second, 0 for no limit.

    `owner`: user id. `mode`: octal text. `ttl`, `size`: of a cache. `keep_releases`, `keep`, `fill`, `fill_rate`: of a
    copy.
    """

    role: str
    path: str = DEFAULT_PATH
    owner: int = DEFAULT_OWNER
    mode: str = DEFAULT_MODE
    min_free: int = 0
    scrub_rate: int = 0
    ttl: int = 0
    size: int = 0
    keep_releases: int = 0
    keep: tuple[KeptImage, ...] = ()
    fill: Upstream | None = None
    fill_rate: int = 0

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "role": self.role,
            "path": self.path,
            "owner": self.owner,
            "mode": self.mode,
            "minFree": self.min_free,
            "scrubRate": self.scrub_rate,
            "ttl": self.ttl,
            "size": self.size,
            "keepReleases": self.keep_releases,
            "fillRate": self.fill_rate,
        }
        if self.keep:
            data["keep"] = [image.to_dict() for image in self.keep]
        if self.fill:
            data["fill"] = self.fill.to_dict()
        return data

    @staticmethod
    def from_dict(data: dict[str, Any]) -> StoreSettings:
        """From `to_dict`, or from the key `store` of the gateways' configuration, where `fill` is a list."""
        return StoreSettings(
            role=str(data["role"]),
            path=str(data["path"]),
            owner=int(data["owner"]),
            mode=str(data["mode"]),
            min_free=int(data.get("minFree", 0)),
            scrub_rate=int(data.get("scrubRate", 0)),
            ttl=int(data.get("ttl", 0)),
            size=int(data.get("size", 0)),
            keep_releases=int(data.get("keepReleases", 0)),
            keep=tuple(KeptImage.from_dict(image) for image in data.get("keep") or ()),
            fill=_fill(data.get("fill")),
            fill_rate=int(data.get("fillRate", 0)),
        )


def _fill(data: Any) -> Upstream | None:
    if not data:
        return None
    if not isinstance(data, list):
        return Upstream.from_dict(data)
    main, *others = (Upstream.from_dict(address) for address in data)
    return replace(main, failover=tuple(replace(other, realms=()) for other in others))


def parse_cache(proxy: dict[str, Any], storage: Any, errors: list[FieldError]) -> StoreSettings:
    """The store of mode Proxy; problems are appended to `errors`."""
    return StoreSettings(
        role=CACHE,
        ttl=_ttl(proxy, errors),
        size=_size(proxy, "cacheSize", "50Gi", "proxy", errors),
        **_place(storage, errors),
    )


def parse_copy(local: dict[str, Any], storage: Any, errors: list[FieldError]) -> StoreSettings:
    """The store of mode Local; problems are appended to `errors`."""
    source = local.get("source")
    fill = None
    if isinstance(source, dict):
        fill = parse_upstream(source, "local.source", errors)
    elif source is not None:
        errors.append(FieldError("local.source", "must be an address with at least the fields host and path"))
    return StoreSettings(
        role=COPY,
        keep_releases=_number(local, "keepReleases", 3, (1, MAX_KEPT), "local", errors),
        keep=kept_images.parse(local.get("keep"), errors),
        fill=fill,
        fill_rate=_size(local, "fillRate", "", "local", errors),
        **_place(storage, errors),
    )


def _place(storage: Any, errors: list[FieldError]) -> dict[str, Any]:
    """What a store of any role has: where it is, whose it is, and how the disk is treated."""
    if storage is None:
        storage = {}
    if not isinstance(storage, dict):
        errors.append(FieldError("storage", "must be an object"))
        return {}
    return {
        "path": _text(storage, "path", DEFAULT_PATH, path_error, errors).rstrip("/"),
        "owner": _number(storage, "owner", DEFAULT_OWNER, (1, MAX_OWNER), "storage", errors),
        "mode": _text(storage, "mode", DEFAULT_MODE, mode_error, errors),
        "min_free": _size(storage, "minFree", "5Gi", "storage", errors),
        "scrub_rate": _size(storage, "scrubRate", "10Mi", "storage", errors),
    }


def _ttl(section: dict[str, Any], errors: list[FieldError]) -> int:
    value = section.get("ttl")
    seconds = quantities.duration("168h" if value is None else value if isinstance(value, str) else "")
    if seconds is None:
        errors.append(FieldError("proxy.ttl", "must be a time of hours, minutes and seconds, for example 168h"))
    elif not MIN_TTL <= seconds <= quantities.MAX_DURATION:
        errors.append(FieldError("proxy.ttl", "must be from 5m to 87600h"))
    return seconds or 0


def _size(section: dict[str, Any], field: str, default: str, at: str, errors: list[FieldError]) -> int:
    """Bytes; 0 when the field is not given and has no default."""
    value = section.get(field)
    if value is None:
        return quantities.size(default) or 0
    amount = quantities.size(value) if isinstance(value, str) else None
    if amount is None:
        errors.append(FieldError(f"{at}.{field}", "must be a whole number with Mi, Gi or Ti, for example 10Gi"))
    elif amount > quantities.MAX_SIZE:
        errors.append(FieldError(f"{at}.{field}", "must be at most 1024Ti"))
    return amount or 0


def _number(
    section: dict[str, Any], field: str, default: int, limits: tuple[int, int], at: str, errors: list[FieldError]
) -> int:
    value = section.get(field)
    if value is None:
        return default
    least, most = limits
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        errors.append(FieldError(f"{at}.{field}", f"must be a number from {least} to {most}"))
        return default
    return value


def _text(
    section: dict[str, Any], field: str, default: str, check: Callable[[str], str], errors: list[FieldError]
) -> str:
    value = section.get(field)
    if value is None:
        return default
    problem = check(value) if isinstance(value, str) else "must be text"
    if problem:
        errors.append(FieldError(f"storage.{field}", problem))
        return default
    return str(value)
