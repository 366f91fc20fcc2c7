"""Operations on Kubernetes objects that hooks ask for (hook contract, section 7)."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jq
import yaml
from jsonschema import Draft4Validator

from .cluster import ApiError, Cluster, Resource
from .life import Life

_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_DELETE_WAIT = 20.0  # seconds the platform waits for a foreground deletion
_POLICIES = {"Delete": "Foreground", "DeleteInBackground": "Background", "DeleteNonCascading": "Orphan"}

_TARGET = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "namespace": {"type": ["string", "null"]},
    "name": {"type": "string"},
    "subresource": {"type": "string"},
}
_OPTIONS = {"ignoreMissingObject": {"type": "boolean"}, "ignoreHookError": {"type": "boolean"}}


def _shape(operations: Sequence[str], required: Sequence[str], properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["operation", *required],
        "properties": {"operation": {"enum": list(operations)}, **properties},
    }


_SHAPES = [
    _shape(
        ["Create", "CreateIfNotExists", "CreateOrUpdate"],
        ["object"],
        {"object": {"type": ["object", "string"]}, "subresource": {"type": "string"}},
    ),
    _shape(list(_POLICIES), ["kind", "name"], _TARGET),
    _shape(
        ["MergePatch"],
        ["kind", "name", "mergePatch"],
        {**_TARGET, **_OPTIONS, "mergePatch": {"type": ["object", "string"]}},
    ),
    _shape(
        ["JSONPatch"],
        ["kind", "name", "jsonPatch"],
        {**_TARGET, **_OPTIONS, "jsonPatch": {"type": ["array", "string"]}},
    ),
    _shape(["JQPatch"], ["kind", "name", "jqFilter"], {**_TARGET, **_OPTIONS, "jqFilter": {"type": "string"}}),
]
_VALIDATORS = {name: Draft4Validator(shape) for shape in _SHAPES for name in shape["properties"]["operation"]["enum"]}


class OperationError(Exception):
    """An operation is malformed or the API server refused it; names the object."""


def apply(operations: Sequence[Mapping[str, Any]], *, cluster: Cluster, life: Life) -> None:
    """Check all operations, then carry them out in order. Raises OperationError at the first that fails."""
    for operation in operations:
        _check(operation)
    for operation in operations:
        life.check()
        try:
            _one(operation, cluster, life)
        except (ApiError, LookupError) as error:
            target = _loaded(operation["object"]) if "object" in operation else operation
            name = operation.get("name") or target.get("metadata", {}).get("name")
            raise OperationError(f"{operation['operation']} {target.get('kind')}/{name}: {error}") from None


def _check(operation: Mapping[str, Any]) -> None:
    validator = _VALIDATORS.get(str(operation.get("operation")))
    if validator is None:
        raise OperationError(f"unknown operation {operation.get('operation')!r}")
    for error in validator.iter_errors(operation):
        place = "/".join(map(str, error.absolute_path)) or error.validator
        raise OperationError(f"{operation['operation']} {operation.get('kind', '')}: malformed at {place}")


def _loaded(value: Any) -> Any:
    return yaml.safe_load(value) if isinstance(value, str) else value


def _one(operation: Mapping[str, Any], cluster: Cluster, life: Life) -> None:
    kind = operation["operation"]
    subresource = operation.get("subresource", "")
    if kind.startswith("Create"):
        _create(kind, _loaded(operation["object"]), subresource, cluster)
        return
    resource = cluster.resource(operation.get("apiVersion"), operation["kind"])
    namespace, name = operation.get("namespace") or "", operation["name"]
    if kind in _POLICIES:
        _delete(_POLICIES[kind], resource, namespace, name, subresource, cluster, life)
        return
    try:
        _patch(operation, resource, resource.path(namespace, name, subresource), cluster)
    except ApiError as error:
        if error.status != 404 or not operation.get("ignoreMissingObject"):
            raise


def _create(kind: str, obj: dict[str, Any], subresource: str, cluster: Cluster) -> None:
    resource = cluster.resource(obj["apiVersion"], obj["kind"])
    namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"].get("name", "")
    try:
        cluster.call("POST", resource.path(namespace, subresource=subresource), body=obj)
    except ApiError as error:
        if error.status != 409 or kind == "Create":
            raise
        if kind == "CreateOrUpdate":  # a merge patch; it does not reach the status of a kind with that subresource
            path = resource.path(namespace, name, subresource)
            cluster.call("PATCH", path, body=obj, content_type=_MERGE)


def _patch(operation: Mapping[str, Any], resource: Resource, path: str, cluster: Cluster) -> None:
    if operation["operation"] == "MergePatch":
        cluster.call("PATCH", path, body=_loaded(operation["mergePatch"]), content_type=_MERGE)
    elif operation["operation"] == "JSONPatch":
        cluster.call("PATCH", path, body=_loaded(operation["jsonPatch"]), content_type=_JSON_PATCH)
    else:
        before = cluster.call("GET", path)
        after = jq.compile(operation["jqFilter"]).input_value(before).first()
        if after != before:
            cluster.call("PUT", path, body=after)


def _delete(
    policy: str, resource: Resource, namespace: str, name: str, subresource: str, cluster: Cluster, life: Life
) -> None:
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
    try:
        cluster.call("DELETE", resource.path(namespace, name, subresource), body=body)
    except ApiError as error:
        if error.status == 404:
            return
        raise
    until = time.monotonic() + _DELETE_WAIT
    while policy == "Foreground" and cluster.get(resource, namespace, name) is not None:
        if time.monotonic() > until:
            raise ApiError(0, f"still there {_DELETE_WAIT:g} s after its deletion")
        life.sleep(0.2)
