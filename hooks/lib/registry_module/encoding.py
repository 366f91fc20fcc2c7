"""Base64 as in the data of Secrets."""

from __future__ import annotations

import base64
import binascii
from typing import Any


def decode(data: Any) -> str:
    """Base64 to text; "" for whatever is not."""
    try:
        return base64.b64decode(str(data or ""), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
