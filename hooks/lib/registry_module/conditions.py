"""Conditions as in metav1.Condition: finite reasons, honest transition times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


@dataclass(frozen=True)
class Verdict:
    """What a stage says: `status` True, False or Unknown, a CamelCase reason, and a message that says what to do."""

    status: str
    reason: str
    message: str = ""

    @property
    def ok(self) -> bool:
        return self.status == TRUE


def passed(reason: str, message: str = "") -> Verdict:
    return Verdict(TRUE, reason, message)


def waiting(reason: str, message: str) -> Verdict:
    return Verdict(FALSE, reason, message)


def unknown(reason: str, message: str) -> Verdict:
    return Verdict(UNKNOWN, reason, message)


def merge(old: Iterable[dict[str, Any]], verdicts: Iterable[tuple[str, Verdict]], now: str) -> list[dict[str, Any]]:
    """The new list of conditions, in the order of the stages; the time moves only when the status does."""
    before = {condition.get("type"): condition for condition in old}
    result = []
    for name, verdict in verdicts:
        previous = before.get(name, {})
        unchanged = previous.get("status") == verdict.status and previous.get("lastTransitionTime")
        result.append(
            {
                "type": name,
                "status": verdict.status,
                "reason": verdict.reason,
                "message": verdict.message,
                "lastTransitionTime": previous["lastTransitionTime"] if unchanged else now,
            }
        )
    return result
