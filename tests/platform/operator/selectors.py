"""Selectors of a kubernetes binding as query parameters of list and watch requests."""

from collections.abc import Mapping
from typing import Any

_FIELD_OPERATORS = {"=": "=", "==": "=", "Equals": "=", "!=": "!=", "NotEquals": "!="}


def label_query(selector: Mapping[str, Any] | None) -> str:
    """A `labelSelector` parameter; empty for everything."""
    terms = [f"{key}={value}" for key, value in sorted((selector or {}).get("matchLabels", {}).items())]
    for rule in (selector or {}).get("matchExpressions", []):
        key, values = rule["key"], ",".join(rule.get("values", []))
        terms.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[rule["operator"]]
        )
    return ",".join(terms)


def field_query(selector: Mapping[str, Any] | None, *, name: str | None = None) -> str:
    """A `fieldSelector` parameter, with the object's name when the binding asks for names."""
    terms = [f"metadata.name={name}"] if name else []
    for rule in (selector or {}).get("matchExpressions", []):
        terms.append(f"{rule['field']}{_FIELD_OPERATORS[rule['operator']]}{rule['value']}")
    return ",".join(terms)


def list_params(labels: str, fields: str) -> dict[str, str]:
    """Query parameters without the empty ones."""
    return {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
