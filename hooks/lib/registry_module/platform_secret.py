"""Secret d8-system/deckhouse-registry: what it says, what it should say, and the patch between the two.

Exactly five keys are ours to change (platform-contracts §3); the Secret itself belongs to the platform.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import Any

from . import names
from .encoding import decode, encode
from .upstream import Upstream, normalize_ca

KEYS = ("address", "path", "scheme", "ca", ".dockerconfigjson")


@dataclass(frozen=True)
class PlatformRegistry:
    """The five facts, decoded. `dockerconfig` is the JSON text of `.dockerconfigjson`."""

    address: str
    path: str
    scheme: str
    ca: str
    dockerconfig: str

    @property
    def is_virtual(self) -> bool:
        return self.address == names.VIRTUAL_HOST

    @property
    def base(self) -> str:
        return (self.address + "/" + self.path.strip("/")).rstrip("/")

    @staticmethod
    def from_facts(data: dict[str, Any]) -> PlatformRegistry | None:
        if not data.get("address"):
            return None
        return PlatformRegistry(
            **{field: str(data.get(field) or "") for field in ("address", "path", "scheme", "ca", "dockerconfig")}
        )

    @staticmethod
    def from_global(data: dict[str, Any]) -> PlatformRegistry | None:
        """`global.modulesImages.registry`; its `dockercfg` is base64."""
        if not data.get("address"):
            return None
        return PlatformRegistry(
            address=str(data["address"]),
            path=str(data.get("path") or ""),
            scheme=str(data.get("scheme") or ""),
            ca=str(data.get("CA") or data.get("ca") or ""),
            dockerconfig=decode(data.get("dockercfg")) or str(data.get("dockercfg") or ""),
        )

    def to_dict(self) -> dict[str, str]:
        return {field: str(getattr(self, field)) for field in self.__dataclass_fields__}

    def same_as(self, other: PlatformRegistry | None) -> bool:
        """Equal for every reader: white space around PEM and the order of JSON keys do not count."""
        return other is not None and self._key() == other._key()

    def rendered_as(self, other: PlatformRegistry | None) -> bool:
        """Whether Deckhouse renders manifests with this registry; releases that do not publish credentials pass."""
        if other is not None and not other.dockerconfig:
            other = replace(other, dockerconfig=self.dockerconfig)
        return self.same_as(other)

    def _key(self) -> tuple[Any, ...]:
        try:
            docker: Any = json.loads(self.dockerconfig or "{}")
        except ValueError:
            docker = self.dockerconfig
        return (self.address, self.path.strip("/"), self.scheme.lower(), normalize_ca(self.ca), docker)

    def upstream(self) -> Upstream:
        """The registry as a source for the gateway; credentials from the dockerconfig entry of its host."""
        user, password = credentials(self.dockerconfig, self.address)
        scheme = self.scheme.lower() or "https"
        return Upstream(scheme, self.address, self.path.strip("/"), user, password, normalize_ca(self.ca))


def credentials(dockerconfig: str, host: str) -> tuple[str, str]:
    """User and password for `host` in a docker config; empty when there are none or it is unreadable."""
    try:
        auths = json.loads(dockerconfig)["auths"]
        entry = auths.get(host) or auths.get(host.partition(":")[0]) or {}
        if entry.get("username") and entry.get("password"):
            return str(entry["username"]), str(entry["password"])
        user, _, password = base64.b64decode(entry.get("auth") or "").decode().partition(":")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""
    return user, password


def docker_config(host: str, user: str, password: str) -> str:
    """A docker config with one entry; without a user the entry is empty, and clients ask anonymously."""
    entry: dict[str, str] = {}
    if user:
        token = base64.b64encode((f"{user}:{password}").encode()).decode()
        entry = {"auth": token, "password": password, "username": user}
    return json.dumps({"auths": {host: entry}}, sort_keys=True, separators=(",", ":"))


def managed(user: str, password: str, ca_bundle: str) -> PlatformRegistry:
    """What the Secret says while the address is ours: the virtual address, with a login that works behind it.

    In Direct containerd with `rewrite` presents it to the real registry, so it must be valid there; where gateways keep
    content it is one of theirs.
    """
    return PlatformRegistry(
        address=names.VIRTUAL_HOST,
        path="/" + names.ALIAS,
        scheme="https",
        ca=ca_bundle,
        dockerconfig=docker_config(names.VIRTUAL_HOST, user, password),
    )


def patch(wanted: PlatformRegistry) -> dict[str, Any]:
    """The merge patch (RFC 7396) of the five keys."""

    return {
        "data": {
            "address": encode(wanted.address),
            "path": encode(wanted.path),
            "scheme": encode(wanted.scheme),
            "ca": encode(wanted.ca),
            ".dockerconfigjson": encode(wanted.dockerconfig),
        }
    }
