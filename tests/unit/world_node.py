"""One node of the cluster in miniature."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Node:
    """One node; `report` is what its script would write."""

    name: str
    control_plane: bool = False
    ready: bool = True
    runtime: str = "containerd://1.7.27"
    version: str | None = None
    canary: bool = True
    reaches: bool = True
    """The registry that the way back leads to."""
    asked: bool = False
    """Its route names such a registry."""
    late: tuple[str | None, bool] | None = None
    """What `version` and `asked` become when the run of bashible that is under way ends."""
    address: str = "198.51.100.11"
    foreign: tuple[str, ...] = ()
    """What others have configured of containerd's registries."""

    def report(self) -> str:
        proofs = {"canary": self.canary, **({"return": self.reaches} if self.asked else {})}
        said: dict[str, Any] = {name: {"ok": ok, "error": "" if ok else "401"} for name, ok in proofs.items()}
        return json.dumps({**said, **({"foreign": self.foreign} if self.foreign else {})})
