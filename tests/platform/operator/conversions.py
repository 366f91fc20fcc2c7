"""Conversions of settings between versions: chains of jq filters (module layout, section 3)."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jq
import yaml


class ConversionError(Exception):
    """Settings of this version cannot be used."""


class Conversions:
    """The files openapi/conversions/vN.yaml of a module; each turns version N-1 into N."""

    def __init__(self, module_dir: Path) -> None:
        self._steps: dict[int, list[str]] = {}
        for path in sorted((module_dir / "openapi/conversions").glob("v*.yaml")):
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            self._steps[int(content["version"])] = content["conversions"]
        self.newest = max(self._steps, default=1)

    def convert(self, settings: Mapping[str, Any], version: int) -> dict[str, Any]:
        """Settings in the newest version. Raises ConversionError for a version that is unknown or does not convert."""
        if not 1 <= version <= self.newest:
            raise ConversionError(f"version {version} is unknown, the newest is {self.newest}")
        result: Any = copy.deepcopy(dict(settings))
        for step in range(version + 1, self.newest + 1):
            for filter_text in self._steps.get(step, []):
                try:
                    result = jq.compile(filter_text).input_value(result).first()
                except ValueError as error:
                    raise ConversionError(f"conversion to version {step} failed: {error}") from None
        return dict(result)
