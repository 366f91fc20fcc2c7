"""Reports of the gateways and readiness of their pods → one short record per control-plane node."""

from __future__ import annotations

from typing import Any

from . import names

_CHECK_NUMBERS = ("total", "checked", "present", "errorCount")
_STORE_NUMBERS = ("failed", "damaged", "repaired")
_REFUSALS = ("Unauthorized", "Forbidden")
_MAX_TEXT = 300


def collect(reports: list[Any], pods: list[Any]) -> list[dict[str, Any]]:
    """The `internal.facts.replicas` subtree, sorted by node.

    :param reports: {node, status} of each RegistryReplica, as far as hook discover_replicas lets them pass
    :param pods: {name, node, ready} of each gateway pod
    """
    ready = {pod["node"] for pod in pods if isinstance(pod, dict) and pod.get("node") and pod.get("ready") is True}
    by_node = {r["node"]: r.get("status") for r in reports if isinstance(r, dict) and isinstance(r.get("node"), str)}
    return [_replica(node, by_node[node], node in ready) for node in sorted(by_node)]


def _replica(node: str, status: Any, pod_ready: bool) -> dict[str, Any]:
    status = status if isinstance(status, dict) else {}
    check, store = status.get("check"), status.get("store")
    return {
        "node": node,
        "podReady": pod_ready,
        "configVersion": str(status.get("configVersion") or ""),
        "configError": str(status.get("configError") or "")[:_MAX_TEXT],
        "check": _check(check) if isinstance(check, dict) else {},
        "store": _store(store) if isinstance(store, dict) else {},
        "unreachable": _unreachable(status.get("unreachable")),
        "refused": _refused(status.get("refused")),
    }


def _store(store: dict[str, Any]) -> dict[str, Any]:
    numbers = {field: _number(store.get(field)) for field in _STORE_NUMBERS}
    return {"error": str(store.get("error") or "")[:_MAX_TEXT], "full": store.get("full") is True, **numbers}


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _unreachable(hosts: Any) -> list[str]:
    hosts = hosts if isinstance(hosts, list) else []
    return sorted({host[:_MAX_TEXT] for host in hosts if isinstance(host, str)})[: names.MAX_NAMES]


def _refused(upstreams: Any) -> list[dict[str, str]]:
    upstreams = upstreams if isinstance(upstreams, list) else []
    found = {
        (one["host"][:_MAX_TEXT], one["reason"])
        for one in upstreams
        if isinstance(one, dict) and isinstance(one.get("host"), str) and one.get("reason") in _REFUSALS
    }
    return [{"host": host, "reason": reason} for host, reason in sorted(found)[: names.MAX_NAMES]]


def _check(check: dict[str, Any]) -> dict[str, Any]:
    numbers = {field: _number(check.get(field)) for field in _CHECK_NUMBERS}
    listed = check.get("errors")
    listed = listed if isinstance(listed, list) else []
    errors = [error for error in listed if isinstance(error, dict)][: names.MAX_IMAGE_ERRORS]
    return {
        "version": str(check.get("version") or ""),
        "complete": check.get("complete") is True,
        **numbers,
        "errors": [
            {field: str(error.get(field) or "")[:_MAX_TEXT] for field in ("image", "reason", "message")}
            for error in errors
        ],
    }
