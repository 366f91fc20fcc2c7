"""What one node shall run: its NodeGroupConfigurations as step files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_WEIGHT = 100  # CRD NodeGroupConfiguration, spec.weight
BUNDLE = "debian"  # the OS family of every node here


@dataclass(frozen=True)
class Bundle:
    """Step files by name, and why there are none although there should be some."""

    steps: Mapping[str, str]
    error: str = ""

    @property
    def checksum(self) -> str:
        """Changes with any byte of any step."""
        joined = "\0".join(f"{name}\0{text}" for name, text in sorted(self.steps.items()))
        return hashlib.sha256(joined.encode()).hexdigest()


def render(configurations: Iterable[Mapping[str, Any]], *, group: str) -> Bundle:
    """The steps of a node of `group`.

    The real content is a Go template. Its context is not emulated, so content with template braces counts as one that
    does not render; and as on the platform, that makes all of the group's configurations disappear.
    """
    steps: dict[str, str] = {}
    for configuration in configurations:
        name, spec = str(configuration["metadata"]["name"]), configuration["spec"]
        if not {"*", group} & set(spec["nodeGroups"]):
            continue
        content = str(spec["content"])
        if "{{" in content or "}}" in content:
            return Bundle({}, f"NodeGroupConfiguration {name} holds template braces: no configuration of group {group}")
        if "*" not in spec["bundles"]:
            content = _guarded(content, list(spec["bundles"]))
        steps[f"{int(spec.get('weight', DEFAULT_WEIGHT)):03d}_{name}"] = content
    return Bundle(steps)


def _guarded(content: str, bundles: list[str]) -> str:
    return f"case $(bb-is-bundle) in\n{'|'.join(bundles)})\n{content}\n;;\nesac\n"
