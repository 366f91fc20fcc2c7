"""What is known of the expected images, and how RegistryReplica says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry_gateway.config import Check, Image
from registry_gateway.sources.base import SourceError

ERRORS_SHOWN = 5  # in RegistryReplica


class Progress:
    """Results by reference: None = whole, an error, or not asked yet (absent)."""

    def __init__(self, check: Check, known: Mapping[str, SourceError | None]) -> None:
        self.check = check
        self.images = tuple(dict.fromkeys(check.images))
        self.references = tuple(dict.fromkeys(image.reference for image in self.images))
        self.results = {reference: known[reference] for reference in self.references if reference in known}

    @property
    def checked(self) -> int:
        """How many images were asked for."""
        return sum(image.reference in self.results for image in self.images)

    @property
    def failed(self) -> list[tuple[Image, SourceError]]:
        """Images that are not whole and why, sorted by name."""
        found = [(image, error) for image in self.images if (error := self.results.get(image.reference))]
        return sorted(found, key=lambda pair: (pair[0].name, pair[0].reference))

    def status(self) -> dict[str, Any]:
        """`status.check` of RegistryReplica."""
        failed, checked = self.failed, self.checked
        return {
            "version": self.check.version,
            "total": len(self.images),
            "checked": checked,
            "present": checked - len(failed),
            "complete": checked == len(self.images),
            "errorCount": len(failed),
            "errors": [describe(*pair) for pair in failed[:ERRORS_SHOWN]],
        }


def describe(image: Image, error: SourceError) -> dict[str, str]:
    """One of `status.check.errors`."""
    return {
        "image": image.name,
        "reference": image.reference,
        "reason": error.reason.value,
        "message": error.message,
    }
