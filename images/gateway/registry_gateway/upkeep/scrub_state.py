"""How far the scrub is, kept over restarts in a file beside the store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from registry_gateway.store import durable

NAME = "scrub.json"
OPEN_LIMIT = 1000  # damaged pieces that are remembered; a disk that has more needs replacing


@dataclass(slots=True)
class ScrubState:
    """`cursor`: where to go on, 0 at the beginning of a pass; `began`: Unix seconds when the pass began; `checked`: in
    this pass; `damaged`, `repaired`: ever; `open`: digests that wait for repair.
    """

    cursor: int = 0
    began: float = 0.0
    checked: int = 0
    damaged: int = 0
    repaired: int = 0
    open: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, folder: Path) -> ScrubState:
        """The state in `folder`; a new one when there is none or it cannot be read: a scrub can always begin anew."""
        try:
            document = json.loads((folder / NAME).read_bytes())
            numbers = {name: int(document[name]) for name in ("cursor", "checked", "damaged", "repaired")}
            return cls(**numbers, began=float(document["began"]), open=[str(one) for one in document["open"]])
        except (OSError, ValueError, TypeError, KeyError):
            return cls()

    def save(self, folder: Path) -> None:
        """Write it. Blocks. Raises OSError."""
        durable.replace(folder / NAME, json.dumps(asdict(self)).encode())
