"""JSON schema of binding configuration v1 (hook contract, section 5). An unknown key is an error."""

from typing import Any

_STRINGS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        schema["required"] = list(required)
    return schema


_NAME_SELECTOR = _closed({"matchNames": _STRINGS}, "matchNames")
_LABEL_SELECTOR = _closed(
    {
        "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
        "matchExpressions": {
            "type": "array",
            "items": _closed(
                {
                    "key": {"type": "string"},
                    "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                    "values": _STRINGS,
                },
                "key",
                "operator",
            ),
        },
    }
)
_FIELD_SELECTOR = _closed(
    {
        "matchExpressions": {
            "type": "array",
            "items": _closed(
                {
                    "field": {"type": "string"},
                    "operator": {"enum": ["=", "==", "Equals", "!=", "NotEquals"]},
                    "value": {"type": "string"},
                },
                "field",
                "operator",
                "value",
            ),
        }
    },
    "matchExpressions",
)
_COMMON: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1},
    "includeSnapshotsFrom": _STRINGS,
    "group": {"type": "string"},
}
_QUEUED: dict[str, Any] = {**_COMMON, "allowFailure": {"type": "boolean"}, "queue": {"type": "string", "minLength": 1}}
_EVENTS: dict[str, Any] = {"type": "array", "items": {"enum": ["Added", "Modified", "Deleted"]}}
_KUBERNETES = _closed(
    {
        **_QUEUED,
        "kind": {"type": "string", "minLength": 1},
        "apiVersion": {"type": "string"},
        "executeHookOnEvent": _EVENTS,
        "watchEvent": _EVENTS,
        "executeHookOnSynchronization": {"type": "boolean"},
        "waitForSynchronization": {"type": "boolean"},
        "keepFullObjectsInMemory": {"type": "boolean"},
        "jqFilter": {"type": "string"},
        "nameSelector": _NAME_SELECTOR,
        "labelSelector": _LABEL_SELECTOR,
        "fieldSelector": _FIELD_SELECTOR,
        "namespace": _closed({"nameSelector": _NAME_SELECTOR, "labelSelector": _LABEL_SELECTOR}),
        "resynchronizationPeriod": {"type": "string"},
    },
    "kind",
)
_RULE = _closed(
    {
        "apiVersions": _STRINGS,
        "apiGroups": _STRINGS,
        "resources": _STRINGS,
        "operations": {"type": "array", "items": {"enum": ["CREATE", "UPDATE", "DELETE", "CONNECT", "*"]}},
        "scope": {"enum": ["Cluster", "Namespaced", "*"]},
    }
)
_ADMISSION = _closed(
    {
        **_COMMON,
        "rules": {"type": "array", "items": _RULE},
        "failurePolicy": {"enum": ["Ignore", "Fail"]},
        "sideEffects": {"enum": ["None", "NoneOnDryRun"]},
        "timeoutSeconds": {"type": "integer"},
        "matchConditions": {
            "type": "array",
            "items": _closed({"name": {"type": "string"}, "expression": {"type": "string"}}, "name", "expression"),
        },
        "labelSelector": _LABEL_SELECTOR,
        "namespace": _closed({"labelSelector": _LABEL_SELECTOR}),
    },
    "name",
    "rules",
)
_CONVERSION = _closed(
    {
        **_COMMON,
        "crdName": {"type": "string"},
        "conversions": {
            "type": "array",
            "items": _closed(
                {"fromVersion": {"type": "string"}, "toVersion": {"type": "string"}}, "fromVersion", "toVersion"
            ),
        },
    },
    "crdName",
    "conversions",
)

LIFE_CYCLE = ("onStartup", "beforeHelm", "afterHelm", "beforeDeleteHelm", "afterDeleteHelm")
"""Bindings whose value is an order number, in the order of a module's life."""

NOT_SERVED = ("kubernetesValidating", "kubernetesMutating", "kubernetesCustomResourceConversion")
"""Accepted by the schema, never called for a module hook."""

SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    **_closed(
        {
            "configVersion": {"enum": ["v1"]},
            **{name: {"type": "integer"} for name in LIFE_CYCLE},
            "schedule": {
                "type": "array",
                "minItems": 1,
                "items": _closed({**_QUEUED, "crontab": {"type": "string"}}, "crontab"),
            },
            "kubernetes": {"type": "array", "minItems": 1, "items": _KUBERNETES},
            "kubernetesValidating": {"type": "array", "minItems": 1, "items": _ADMISSION},
            "kubernetesMutating": {"type": "array", "minItems": 1, "items": _ADMISSION},
            "kubernetesCustomResourceConversion": {"type": "array", "minItems": 1, "items": _CONVERSION},
            "settings": _closed({"executionMinInterval": {"type": "string"}, "executionBurst": {"type": "integer"}}),
        },
        "configVersion",
    ),
    "minProperties": 2,
}
