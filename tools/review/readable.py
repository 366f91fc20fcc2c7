"""YAML that people can read: texts of several lines as blocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml


class _Readable(yaml.SafeDumper):
    pass


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)


def dump_all(documents: Iterable[Any], *, sort_keys: bool = False) -> str:
    """The documents as YAML, scripts as they are written."""
    return yaml.dump_all(documents, Dumper=_Readable, sort_keys=sort_keys, width=160)
