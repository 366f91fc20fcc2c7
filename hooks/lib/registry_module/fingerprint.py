"""Short, stable fingerprints of plain data."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

LENGTH = 16


def canonical(data: Any) -> bytes:
    """JSON bytes that are the same for equal data: sorted keys, no spaces."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def public(data: Any) -> str:
    """16 hex digits for data that holds no secret."""
    return hashlib.sha256(canonical(data)).hexdigest()[:LENGTH]


def keyed(salt: str, data: Any) -> str:
    """16 hex digits for data that holds secrets.

    Versions are shown in cluster-readable objects; without the key nobody can try passwords against them.
    """
    return hmac.new(salt.encode(), canonical(data), hashlib.sha256).hexdigest()[:LENGTH]
