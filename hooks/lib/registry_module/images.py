"""The images that must be at a registry before anything is switched to it."""

from __future__ import annotations

import re
from typing import Iterable

from .settings import CHECK_RELAX

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")  # OCI distribution-spec 1.1: <reference> as a tag
DECKHOUSE = "deckhouse"
PAUSE = "common/pause"


def expected(
    *, digests: Iterable[tuple[str, str]], deckhouse: Iterable[tuple[str, str]], bases: Iterable[str], check_mode: str
) -> tuple[tuple[str, str], ...]:
    """(label, digest or tag) of every image that the candidate must have, sorted, without repetition.

    :param digests: (module/image, digest) of all modules (global.modulesImages.digests)
    :param deckhouse: (container, image) of Deployment deckhouse
    :param bases: `host/path` prefixes that Deckhouse's own images may have now; other images are not ours to check
    :param check_mode: Relax checks only the container `deckhouse`: between editions digests differ
    """
    known = tuple(bases)
    own = [("deckhouse/" + name, reference_below(image, known)) for name, image in deckhouse]
    if check_mode == CHECK_RELAX:
        wanted = [item for item in own if item[0] == "deckhouse/" + DECKHOUSE]
    else:
        wanted = own + [(name, digest) for name, digest in digests if _DIGEST.match(digest)]
    return tuple(sorted({item for item in wanted if item[1]}))


def reference_below(image: str, bases: Iterable[str]) -> str:
    """The digest or tag of `base@digest` or `base:tag`; "" when the image is not directly below one of the bases."""
    for base in bases:
        if not base or not image.startswith(base):
            continue
        rest = image[len(base) :]
        if "@" in rest:
            prefix, _, digest = rest.partition("@")
            if (not prefix or _is_tag(prefix)) and _DIGEST.match(digest):
                return digest
        elif _is_tag(rest):
            return rest[1:]
    return ""


def _is_tag(text: str) -> bool:
    return text.startswith(":") and bool(_TAG.match(text[1:]))
