"""Values patches of hooks: what is allowed, strict application, and the compacted log (hook contract, section 7)."""

import contextlib
import copy
from collections.abc import Iterable, Sequence
from typing import Any

import jsonpatch
import jsonpointer

Operation = dict[str, Any]


class PatchError(Exception):
    """A patch is not allowed or cannot be applied; the message holds paths, never values."""


def check(operations: Sequence[Operation], key: str) -> None:
    """Raise PatchError unless every operation is `add` or `remove` below `/<key>`."""
    for operation in operations:
        kind, path = operation.get("op"), operation.get("path")
        if kind not in ("add", "remove") or (kind == "add" and "value" not in operation):
            raise PatchError(f"unsupported patch operation {kind!r} for {path!r}")
        if not isinstance(path, str) or path.split("/")[:2] != ["", key]:
            raise PatchError(f"unacceptable patch operation for path {path!r}: only /{key} is accepted")


def apply_strict(values: dict[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """The patched copy. Raises PatchError when a parent (or what is to be removed) is missing."""
    result = copy.deepcopy(values)
    for operation in operations:
        result = _applied(result, operation)
    return result


def replay(values: dict[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """The patched copy; an operation whose path is missing is passed over."""
    result = copy.deepcopy(values)
    for operation in operations:
        with contextlib.suppress(PatchError):
            result = _applied(result, operation)
    return result


def _applied(document: dict[str, Any], operation: Operation) -> dict[str, Any]:
    """The document, changed in place; an operation that fails has changed nothing."""
    own = {**operation, "value": copy.deepcopy(operation["value"])} if "value" in operation else operation
    try:
        return dict(jsonpatch.apply_patch(document, [own], in_place=True))
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, KeyError, TypeError) as error:
        reason = type(error).__name__
        raise PatchError(f"{operation['op']} operation does not apply: path {operation['path']}: {reason}") from None


def compact(log: Iterable[Operation]) -> list[Operation]:
    """The last operation of each path, without what an operation on a parent made void, sorted by path."""
    last: dict[str, Operation] = {}
    for operation in log:
        path = operation["path"]
        for below in [known for known in last if known.startswith(path + "/")]:
            del last[below]
        last[path] = operation
    return [last[path] for path in sorted(last)]
