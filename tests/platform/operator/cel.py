"""CEL rules of `x-deckhouse-validations` in values schemas (module layout, section 3)."""

import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import celpy
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

RULES = "x-deckhouse-validations"

_lock = threading.Lock()  # the parser keeps state


def violations(schema: Mapping[str, Any], value: Any, path: str, old: Any = None) -> Iterator[str]:
    """Messages of the rules that do not hold, innermost first. `old` is None when there was no value before.

    As in CRDs, a rule that mentions `oldSelf` applies only to a change of an existing value.
    """
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, nested in schema.get("properties", {}).items():
            if name in value:
                yield from violations(nested, value[name], f"{path}.{name}", before.get(name))
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            for name in value.keys() - schema.get("properties", {}).keys():
                yield from violations(extra, value[name], f"{path}.{name}", before.get(name))
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from violations(schema["items"], item, f"{path}[{index}]")
    for rule in schema.get(RULES, []):
        if "oldSelf" in rule["expression"] and old is None:
            continue
        problem = _evaluate(rule["expression"], value, old)
        if problem is not None:
            yield f"{path}: {rule.get('message') or problem}"


def _evaluate(expression: str, value: Any, old: Any) -> str | None:
    """None when the rule holds, else why not."""
    variables = {"self": json_to_cel(value), "oldSelf": json_to_cel(old)}
    try:
        with _lock:
            result = _program(expression).evaluate(variables)
    except CELEvalError as error:
        return f"rule {expression!r} failed: {error.args[0]}"
    return None if result else f"rule {expression!r} does not hold"


@lru_cache(maxsize=256)
def _program(expression: str) -> Any:
    environment = celpy.Environment()
    return environment.program(environment.compile(expression))
