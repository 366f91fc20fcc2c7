"""`local.keep`: images that stay in the copy whatever their age."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .upstream_settings import FieldError

MOST = 100
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
# Distribution spec 1.1, "Pulling manifests".
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}\Z")
_LONGEST = 200  # characters of a repository; the base of the cluster's name comes before it
_FORM = (
    "must be a tag or digest of the platform's repository, or REPOSITORY:TAG or REPOSITORY@DIGEST below it, without "
    "the address of a registry"
)


@dataclass(frozen=True)
class KeptImage:
    """`repository` below the base ("": the base itself), and a tag or digest there."""

    repository: str
    reference: str

    def to_dict(self) -> dict[str, Any]:
        return {"repository": self.repository, "reference": self.reference}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> KeptImage:
        return KeptImage(str(data["repository"]), str(data["reference"]))


def parse(value: Any, errors: list[FieldError]) -> tuple[KeptImage, ...]:
    """The images; problems are appended to `errors`.

    >>> [(one.repository, one.reference) for one in parse(["v1.68.3", "modules/x:v1.0.0"], [])]
    [('', 'v1.68.3'), ('modules/x', 'v1.0.0')]
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST:
        errors.append(FieldError("local.keep", f"must be a list of at most {MOST} images"))
        return ()
    found = []
    for number, text in enumerate(value):
        image = _image(text) if isinstance(text, str) else None
        if image is None:
            errors.append(FieldError(f"local.keep[{number}]", _FORM))
        else:
            found.append(image)
    return tuple(dict.fromkeys(found))


def _image(text: str) -> KeptImage | None:
    if _DIGEST.match(text):
        return KeptImage("", text)
    repository, at, digest = text.partition("@")
    if at:
        return KeptImage(repository, digest) if _is_below(repository) and _DIGEST.match(digest) else None
    repository, colon, tag = text.rpartition(":")
    if not _TAG.match(tag) or (colon and not _is_below(repository)):
        return None
    return KeptImage(repository, tag)


def _is_below(repository: str) -> bool:
    # Container runtimes read a first segment with a dot as a registry; whoever writes one means that.
    is_host = "." in repository.partition("/")[0]
    return len(repository) <= _LONGEST and not is_host and bool(_REPOSITORY.match(repository))
