"""The ModuleConfig of the module: what it wants, and the status it gets (platform contracts, section 10)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .cluster import ApiError, Cluster
from .conversions import Conversions

API_VERSION = "deckhouse.io/v1alpha1"
Identity = tuple[str, int] | None
"""uid and generation of a ModuleConfig; None without one."""
_MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Wanted:
    """What a ModuleConfig asks for. Settings are in the version they were written in."""

    enabled: bool = False
    settings: Mapping[str, Any] | None = None
    version: int | None = None
    maintenance: bool = False

    def converted(self, conversions: Conversions) -> dict[str, Any] | None:
        """Settings in the newest version. Raises ConversionError."""
        if not self.settings:
            return None
        return conversions.convert(self.settings, self.version or conversions.newest)


def wanted(config: Mapping[str, Any] | None) -> Wanted:
    """Read a ModuleConfig; None means there is none, and the module is off."""
    spec = (config or {}).get("spec") or {}
    return Wanted(
        enabled=spec.get("enabled") is True,
        settings=spec.get("settings"),
        version=spec.get("version"),
        maintenance=spec.get("maintenance") == "NoResourceReconciliation",
    )


def identity(config: Mapping[str, Any] | None) -> Identity:
    """Which edition of its spec this is."""
    return (config["metadata"]["uid"], config["metadata"]["generation"]) if config else None


class ModuleConfigs:
    """Reads and writes the one ModuleConfig."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster, self._name = cluster, name
        self._resource = cluster.resource(API_VERSION, "ModuleConfig")

    def get(self) -> dict[str, Any] | None:
        """The object as it is now."""
        return self._cluster.get(self._resource, "", self._name)

    def set_status(self, *, version: int, message: str) -> None:
        """Write the status; a ModuleConfig that is gone is left alone."""
        status = {"status": {"version": str(version), "message": message}}
        path = self._resource.path("", self._name, "status")
        try:
            self._cluster.call("PATCH", path, body=status, content_type=_MERGE)
        except ApiError as error:
            if error.status != 404:
                raise

    def save_settings(self, settings: Mapping[str, Any], version: int) -> None:
        """Replace the settings (a hook's config-values patch)."""
        path = self._resource.path("", self._name)
        operations = [
            {"op": "add", "path": "/spec/version", "value": version},
            {"op": "add", "path": "/spec/settings", "value": settings},
        ]
        self._cluster.call("PATCH", path, body=operations, content_type="application/json-patch+json")
