"""Binding contexts: their JSON shapes and the compaction of queued ones (hook contract, sections 5 and 12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .filters import Item

Snapshots = Mapping[str, Sequence[Item]]
"""Binding name → objects, for every kubernetes binding of a hook."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Why a hook runs. `include` None means: the snapshots of every binding of the hook (life-cycle bindings)."""

    binding: str
    type: str = ""
    watch_event: str = ""
    item: Item | None = None
    group: str = ""
    include: tuple[str, ...] | None = ()

    def render(self, snapshots: Snapshots) -> dict[str, Any]:
        """The JSON object a hook reads."""
        out: dict[str, Any] = {"binding": self.binding}
        names = tuple(snapshots) if self.include is None else self.include
        if self.include is None or names:
            out["snapshots"] = {name: [item.view for item in snapshots.get(name, ())] for name in names}
        if self.group:
            # A group has no single object, not even on Synchronization: its snapshots say everything.
            return {**out, "binding": self.group, "type": "Group"}
        if self.type:
            out["type"] = self.type
        if self.type == "Synchronization":
            out["objects"] = [item.view for item in snapshots.get(self.binding, ())]
        if self.type == "Event":
            out["watchEvent"] = self.watch_event
            out.update(self.item.view if self.item else {})
        return out


def compact(contexts: Sequence[Context]) -> list[Context]:
    """Of neighbours in the same group only the last stays: each would carry the same snapshots."""
    kept = []
    for index, context in enumerate(contexts):
        following = contexts[index + 1] if index + 1 < len(contexts) else None
        if not (context.group and following is not None and following.group == context.group):
            kept.append(context)
    return kept
