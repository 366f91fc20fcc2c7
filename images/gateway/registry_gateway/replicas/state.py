"""How this replica stands to the others, for its status."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class State:
    """`behind`: by peer, names that are later there and of which the content is not here yet. `lacking`: pieces of
    content that manifests here need and that are not here. `error`: what went wrong last in the last round, "" for
    nothing. `equal_at`: by peer, Unix seconds when a comparison with it came to its end.
    """

    behind: dict[str, int] = field(default_factory=dict)
    lacking: int = 0
    error: str = ""
    equal_at: dict[str, float] = field(default_factory=dict)

    def compared(self, peer: str) -> None:
        """Note that a comparison with `peer` came to its end."""
        self.equal_at[peer] = time.time()

    @property
    def missing(self) -> int:
        """How much this replica has yet to bring, as far as it knows."""
        return max(self.behind.values(), default=0) + self.lacking
