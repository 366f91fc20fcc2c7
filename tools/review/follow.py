"""The cluster does what was asked for: dumped objects as they would be a moment later.

So that a reviewer can read the manifests of later stages, up to the end of a switch, without a cluster.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from typing import Any

from . import dump

OWNER_LABEL, OWNER = "registry.deckhouse.io/owner", "registry-module"
VERSION = "registry.deckhouse.io/route-version"
REPORT = "registry.deckhouse.io/route-report"


def follow(objects: list[dump.Object], values: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Change `objects` in place: gateways report, nodes apply, Deckhouse restarts. The new global values."""
    internal = values["registry"]["internal"]
    _patch_secret(objects, operations)
    _gateways(objects, internal.get("gateway") or {})
    _users(objects, internal.get("users") or {})
    _nodes(objects, internal.get("nodeRoute") or {})
    _proof(objects, internal.get("proof") or {})
    return _deckhouse(objects, copy.deepcopy(values["global"]))


def _patch_secret(objects: list[dump.Object], operations: list[dict[str, Any]]) -> None:
    for operation in operations:
        for item in objects:
            if operation.get("name") == item["metadata"]["name"] and operation["kind"] == item["kind"]:
                item["data"].update(operation["mergePatch"]["data"])


def _gateways(objects: list[dump.Object], gateway: dict[str, Any]) -> None:
    kept = [o for o in objects if o["kind"] != "RegistryReplica" and o["metadata"].get("generateName") != "review-"]
    check = gateway.get("config", {}).get("check") or {}
    total = len(check.get("images", []))
    report = {"version": check.get("version", ""), "complete": True, "errorCount": 0, "errors": []}
    report.update(total=total, checked=total, present=total)
    for node in gateway.get("replicas", []):
        status = {"configVersion": gateway["version"], "check": report}
        kept.append(_object("registry.deckhouse.io/v1alpha1", "RegistryReplica", node, status=status))
        kept.append(_gateway_pod(node))
    objects[:] = kept


def _users(objects: list[dump.Object], users: dict[str, Any]) -> None:
    """As the template makes them; without its Secret an account would get a new password in each round."""
    objects[:] = [o for o in objects if not o["metadata"]["name"].startswith("registry-user-")]
    for name, user in users.items():
        fields = {**user.get("previous", {}), "name": user["name"], "password": user["password"]}
        keys = {"sha256": "previous.sha256", "until": "previous.until"}
        data = {keys.get(key, key): base64.b64encode(value.encode()).decode() for key, value in fields.items()}
        secret = _object("v1", "Secret", f"registry-user-{name}", data=data)
        secret["metadata"] |= {"namespace": "d8-system", "labels": {OWNER_LABEL: OWNER}}
        objects.append(secret)


def _object(api: str, kind: str, name: str, **fields: Any) -> dump.Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **fields}


def _gateway_pod(node: str) -> dump.Object:
    pod = _object("v1", "Pod", f"registry-gateway-{node}", spec={"nodeName": node, "containers": []})
    pod["metadata"] |= {"namespace": "d8-system", "labels": {"app": "registry-gateway"}, "generateName": "review-"}
    return pod | {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def _nodes(objects: list[dump.Object], route: dict[str, Any]) -> None:
    for item in objects:
        if item["kind"] == "Node":
            annotations = item["metadata"].setdefault("annotations", {})
            annotations.pop(VERSION, None)
            annotations.pop(REPORT, None)
            if route.get("action") == "apply":
                annotations[VERSION] = route["version"]
                proofs = ["canary"] + (["return"] if "\nreturn " in route["conf"] else [])
                annotations[REPORT] = json.dumps({proof: {"ok": True, "error": ""} for proof in proofs})


def _proof(objects: list[dump.Object], proof: dict[str, Any]) -> None:
    """A pod of the proof on every node, with its image pulled."""
    labels = {"app": "registry-proof", "registry.deckhouse.io/proof": proof.get("version", "")}
    objects[:] = [
        o for o in objects if o["kind"] != "Pod" or (o["metadata"].get("labels") or {}).get("app") != labels["app"]
    ]
    for node in [o["metadata"]["name"] for o in objects if o["kind"] == "Node" and proof]:
        pod = _object("v1", "Pod", f"registry-proof-{node}", spec={"nodeName": node, "containers": []})
        pod["metadata"] |= {"namespace": "d8-system", "labels": labels}
        objects.append(pod | {"status": {"containerStatuses": [{"name": "proof", "imageID": proof["image"]}]}})


def _deckhouse(objects: list[dump.Object], global_values: dict[str, Any]) -> dict[str, Any]:
    """Deckhouse takes over what its Secret says, and its leader restarts with it."""
    secret = next(o for o in objects if o["kind"] == "Secret" and o["metadata"]["name"] == "deckhouse-registry")
    raw = {key: base64.b64decode(value or "").decode() for key, value in secret["data"].items()}
    registry = {
        "address": raw["address"],
        "path": raw["path"],
        "scheme": raw["scheme"],
        "CA": raw.get("ca", ""),
        "dockercfg": secret["data"][".dockerconfigjson"],
        "base": raw["address"] + raw["path"],
    }
    registry["hash"] = hashlib.sha256(json.dumps(registry, sort_keys=True).encode()).hexdigest()
    global_values.setdefault("modulesImages", {})["registry"] = registry
    for item in objects:
        labels = item["metadata"].get("labels") or {}
        if item["kind"] == "Pod" and labels.get("app") == "deckhouse":
            item["metadata"].setdefault("annotations", {})["checksum/registry-version"] = registry["hash"]
            item["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    return global_values
