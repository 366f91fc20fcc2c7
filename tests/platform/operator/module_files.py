"""What the operator needs to know from a module's own files: module.yaml, and whether it is a Helm chart."""

from dataclasses import dataclass
from pathlib import Path

import yaml

DEFAULT_WEIGHT = 900


@dataclass(frozen=True)
class ModuleFiles:
    """A module on disk (module layout, sections 1 and 2)."""

    folder: Path
    name: str
    weight: int
    namespace: str
    disable_confirmation: str
    """What must be confirmed before it is switched off; empty when nothing has to be."""

    @property
    def folder_name(self) -> str:
        """How the platform calls its folder."""
        return f"{self.weight}-{self.name}"

    @property
    def has_chart(self) -> bool:
        """True when there is something for Helm."""
        return (self.folder / "Chart.yaml").exists() or (self.folder / "templates").is_dir()


def read(folder: Path) -> ModuleFiles:
    """Read module.yaml. Raises OSError, KeyError (no name) or ValueError (no namespace)."""
    content = yaml.safe_load((folder / "module.yaml").read_text(encoding="utf-8"))
    namespace_file = folder / ".namespace"
    namespace = content.get("namespace") or (
        namespace_file.read_text(encoding="utf-8").strip() if namespace_file.exists() else ""
    )
    if not namespace:
        raise ValueError("neither module.yaml nor .namespace names the namespace")
    disable = content.get("disable") or {}
    message = (
        (disable.get("messages") or {}).get("en") or disable.get("message") or "switching it off must be confirmed"
    )
    return ModuleFiles(
        folder=folder.resolve(),
        name=content["name"],
        weight=int(content.get("weight", DEFAULT_WEIGHT)),
        namespace=namespace,
        disable_confirmation=message if disable.get("confirmation") else "",
    )
