"""What of the gateways' reports is worth an alert: series for each control-plane node, read by monitoring/."""

from __future__ import annotations

from typing import Any

GROUP = "registry_replicas"


def series(replicas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Metrics of one group, so that those of a node that left vanish; without a store there are none of it.

    :param replicas: `internal.facts.replicas`
    """
    found = []
    for replica in replicas:
        node = str(replica.get("node", ""))
        values = {
            "registry_replica_upstreams_unreachable": len(replica.get("unreachable") or []),
            "registry_replica_upstreams_refused": len(replica.get("refused") or []),
        }
        store = replica.get("store")
        if store:
            values["registry_replica_store_unusable"] = int(store["error"] != "")
            values["registry_replica_store_full"] = int(store["full"])
            values["registry_replica_store_fill_failed"] = store["failed"]
            values["registry_replica_store_damaged"] = max(0, store["damaged"] - store["repaired"])
        found += [_gauge(name, node, value) for name, value in values.items()]
    return found


def _gauge(name: str, node: str, value: int) -> dict[str, Any]:
    return {"name": name, "action": "set", "group": GROUP, "value": value, "labels": {"node": node}}
