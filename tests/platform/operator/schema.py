"""OpenAPI schemas of values: defaults, strictness, x-extend, x-required-for-helm (module layout, section 3)."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import re2
import yaml
from jsonschema import Draft4Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from . import cel

Schema = dict[str, Any]

_MERGED_MAPS = ("definitions", "properties", "patternProperties")


def values_key(module_name: str) -> str:
    """The values section of a module: camelCase of its name."""
    first, *rest = module_name.split("-")
    return first + "".join(part.capitalize() for part in rest)


def load_schema(module_dir: Path, name: str) -> Schema:
    """Schema `openapi/<name>`, extended and closed; one that allows everything when the file is absent."""
    path = module_dir / "openapi" / name
    if not path.exists():
        return {"type": "object", "additionalProperties": True}
    schema: Schema = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if "x-extend" in schema:
        parent = module_dir / "openapi" / schema["x-extend"]["schema"]
        schema = _extended(schema, yaml.safe_load(parent.read_text(encoding="utf-8")))
    return _closed(schema)


def required_for_helm(schema: Schema) -> Schema:
    """The schema values must satisfy at render time: `x-required-for-helm` becomes `required`."""
    extra = schema.get("x-required-for-helm", [])
    names = [*schema.get("required", []), *([extra] if isinstance(extra, str) else extra)]
    result = {**schema, "properties": {k: required_for_helm(v) for k, v in schema.get("properties", {}).items()}}
    if names:
        result["required"] = list(dict.fromkeys(names))
    return result


def apply_defaults(value: Any, schema: Schema) -> None:
    """Fill in missing properties that have a default, in place, at every depth that exists."""
    if isinstance(value, dict):
        for name, nested in schema.get("properties", {}).items():
            if name not in value and nested.get("default") is not None:
                value[name] = copy.deepcopy(nested["default"])
            if name in value:
                apply_defaults(value[name], nested)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            apply_defaults(item, schema["items"])


def problems(schema: Schema, value: Any, root: str, old: Any = None) -> list[str]:
    """What is wrong with a value: schema first and, if it holds, CEL. Messages name fields, never values."""
    errors = sorted(_VALIDATOR(schema, format_checker=FormatChecker()).iter_errors(value), key=lambda e: e.json_path)
    found = [message for error in errors for message in _messages(error, root)]
    return list(dict.fromkeys(found)) or list(cel.violations(schema, value, root, old))


def validate_settings(
    module_dir: Path, settings: Mapping[str, Any] | None, old: Mapping[str, Any] | None = None
) -> list[str]:
    """Errors of user settings against `openapi/config-values.yaml`, after defaults; empty when they are accepted."""
    name = yaml.safe_load((module_dir / "module.yaml").read_text(encoding="utf-8"))["name"]
    schema = load_schema(module_dir, "config-values.yaml")
    effective = copy.deepcopy(dict(settings or {}))
    apply_defaults(effective, schema)
    return problems(schema, effective, values_key(name), dict(old) if old is not None else None)


def _extended(schema: Schema, parent: Schema) -> Schema:
    result = {**{key: value for key, value in parent.items() if key.startswith("x-")}, **schema}
    for key in _MERGED_MAPS:
        if key in parent:
            result[key] = {**parent[key], **schema.get(key, {})}
    if "required" in parent:
        result["required"] = list(dict.fromkeys([*parent["required"], *schema.get("required", [])]))
    return result


def _closed(schema: Schema) -> Schema:
    """`additionalProperties` becomes false for every object that does not say otherwise."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {name: _closed(nested) for name, nested in schema["properties"].items()}
    if isinstance(schema.get("items"), dict):
        result["items"] = _closed(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _closed(schema["additionalProperties"])
    result.setdefault("additionalProperties", False)
    return result


def _pattern(validator: Any, pattern: str, instance: Any, schema: Schema) -> Iterator[ValidationError]:
    # Go's regular expressions, as on the platform: what RE2 cannot do must fail here too.
    if validator.is_type(instance, "string") and not re2.search(pattern, instance):
        yield ValidationError("pattern")


def _nullable(keyword: str) -> Any:
    original = Draft4Validator.VALIDATORS[keyword]

    def check(validator: Any, expected: Any, instance: Any, schema: Schema) -> Iterator[ValidationError]:
        if not (instance is None and schema.get("nullable")):
            yield from original(validator, expected, instance, schema) or ()

    return check


_extend: Any = extend  # its stubs leave it untyped
_VALIDATOR: Any = _extend(Draft4Validator, {"pattern": _pattern, "type": _nullable("type"), "enum": _nullable("enum")})


def _messages(error: ValidationError, root: str) -> list[str]:
    path = root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    expected: Any = error.validator_value
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
            instance: Any = error.instance
            return [f"{path}.{name} is a forbidden property" for name in sorted(instance.keys() - known.keys())]
        case "required":
            missing: Any = error.instance
            return [f"{path}.{name} is required" for name in expected if name not in missing]
        case "type":
            return [f"{path} must be of type {expected}"]
        case "pattern":
            return [f"{path} should match '{expected}'"]
        case "enum":
            return [f"{path} should be one of {expected}"]
        case "oneOf" | "anyOf" | "allOf" | "not":
            return [f"{path} must satisfy {error.validator}"]
        case _:
            return [f"{path} must satisfy {error.validator}: {expected}"]
