"""The parts of the configuration that are about the store and the other replicas.

The form is the contract "gateway configuration" of docs/internal/ARCHITECTURE.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from registry_gateway import names
from registry_gateway.fields import Fields

UpstreamT = TypeVar("UpstreamT")


class Role(StrEnum):
    """What the store is for.

    `CACHE`: it keeps what upstreams answered (mode Proxy). `COPY`: it is the registry, clients push into it (Local).
    `SPARE`: another mode has taken over, and the store still answers what upstreams cannot.
    """

    CACHE = "cache"
    COPY = "copy"
    SPARE = "spare"


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image that stays: its repository below the base ("": the base itself), and its tag or digest."""

    repository: str
    reference: str


@dataclass(frozen=True, slots=True)
class StoreConfig(Generic[UpstreamT]):
    """How to keep content. Sizes in bytes, times in seconds, rates in bytes a second; 0 is "no limit".

    `ttl`, `size`: of a cache. `fill`: registries from which a copy takes the expected images, in that order.
    `min_free`: room on the disk below which nothing new is stored. Of a copy: `keep_releases`; `modules`: downloaded
    modules and the versions of them that run; `keep`: images that stay besides.
    """

    role: Role
    ttl: int = 0
    size: int = 0
    min_free: int = 0
    keep_releases: int = 0
    modules: tuple[tuple[str, str], ...] = ()
    keep: tuple[KeptImage, ...] = ()
    fill: tuple[UpstreamT, ...] = ()
    fill_rate: int = 0
    scrub_rate: int = 0


@dataclass(frozen=True, slots=True)
class Peer:
    """A replica of the gateway, this one included: the name of its node, and `address:port`."""

    name: str
    host: str


def parse_store(entry: Fields | None, upstream: Callable[[Fields], UpstreamT]) -> StoreConfig[UpstreamT] | None:
    """The key `store`; None without one. Complaints go to `entry`."""
    if entry is None:
        return None
    role = entry.text("role", allowed=[role.value for role in Role].__contains__, form="cache, copy or spare")
    return StoreConfig(
        role=Role(role) if role else Role.SPARE,
        ttl=_amount(entry, "ttl"),
        size=_amount(entry, "size"),
        min_free=_amount(entry, "minFree"),
        keep_releases=_amount(entry, "keepReleases"),
        modules=entry.objects("modules", _module),
        keep=entry.objects("keep", _kept),
        fill=entry.objects("fill", upstream),
        fill_rate=_amount(entry, "fillRate"),
        scrub_rate=_amount(entry, "scrubRate"),
    )


def parse_peers(root: Fields, *, is_host: Callable[[str], bool]) -> tuple[Peer, ...]:
    """The key `peers`."""
    return root.objects(
        "peers",
        lambda entry: Peer(
            name=entry.text("name", allowed=bool, form="filled"),
            host=entry.text("host", allowed=is_host, form="address:port"),
        ),
    )


def _module(entry: Fields) -> tuple[str, str]:
    name = entry.text("name", allowed=lambda name: names.is_name(name) and "/" not in name, form="a module's name")
    return name, entry.text("version", allowed=names.is_tag, form="a tag")


def _kept(entry: Fields) -> KeptImage:
    return KeptImage(
        repository=entry.text(
            "repository", default="", allowed=_is_below, form="a repository below the base, or empty"
        ),
        reference=entry.text("reference", allowed=names.is_reference, form="a tag or digest"),
    )


def _is_below(repository: str) -> bool:
    return repository == "" or names.is_name(repository)


def _amount(entry: Fields, name: str) -> int:
    value = entry.number(name, default=0)
    if value < 0:
        entry.complain(name, "must not be negative")
    return value
