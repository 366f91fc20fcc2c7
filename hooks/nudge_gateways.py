#!/usr/bin/env python3
"""Tell each kubelet to refresh the gateway's mounted Secret now.

A kubelet looks at mounted Secrets when it syncs a pod, about once a minute; a changed annotation makes it sync at once.
The change is also the event that starts this hook again, to see whether it helped.
"""

from __future__ import annotations

from typing import Any

from deckhouse import hook

from lib.registry_module import bindings, names, nudges, snapshots

POD = f"""{{
  name: .metadata.name, node: .spec.nodeName, told: (.metadata.annotations // {{}})["{names.ANNOTATION_CONFIG}"]
}}"""
REPORT = "{node: .metadata.name, version: .status.configVersion}"
CONFIG = bindings.decision(
    afterHelm=20,
    kubernetes=[
        bindings.watch(
            "pods",
            "Pod",
            POD,
            namespace=names.NAMESPACE,
            labelSelector={"matchLabels": {"app": names.GATEWAY_APP}},
            executeHookOnSynchronization=False,
            group="nudge",
            queue="/modules/registry/nudge",
        ),
        bindings.snapshot("reports", "RegistryReplica", REPORT, api=names.API_VERSION, group="nudge"),
    ],
    settings={"executionMinInterval": "5s", "executionBurst": 1},
)


def main(ctx: Any) -> None:
    version = (snapshots.internal(ctx.values).get("gateway") or {}).get("version")
    if not version:
        return
    loaded = {report["node"]: report["version"] for report in snapshots.results(ctx.snapshots, "reports")}
    for name, told in nudges.due(version, snapshots.results(ctx.snapshots, "pods"), loaded):
        patch = {"metadata": {"annotations": {names.ANNOTATION_CONFIG: told}}}
        ctx.kubernetes.merge_patch("Pod", names.NAMESPACE, name, patch, "v1", ignoreMissingObject=True)


if __name__ == "__main__":
    hook.run(main, config=CONFIG)
