#!/usr/bin/env python3
"""Gateways → facts: which configuration each has loaded, whether its pod is Ready, what its image check found,
and what of its store and upstreams is worth an alert."""

from __future__ import annotations

from typing import Any

from deckhouse import hook

from lib.registry_module import bindings, names, replica_facts, snapshots

# The heartbeat and other times stay out: they would start a run every minute for nothing.
REPORT = """{
  node: .metadata.name,
  status: (.status // {} | {
    configVersion, configError, check,
    refused: [.upstreams[]? | select(.reason == "Unauthorized" or .reason == "Forbidden") | {host, reason}],
    unreachable: [.upstreams[]? | select(.reachable == false) | .host],
    store: (.store | if type == "object" then
      {error, full, failed: .fill.failed, damaged: .scrub.damaged, repaired: .scrub.repaired} else null end)
  })
}"""
POD = """{
  name: .metadata.name, node: .spec.nodeName,
  ready: ((.metadata.deletionTimestamp | not)
    and ([.status.conditions[]? | select(.type == "Ready") | .status] == ["True"]))
}"""

CONFIG = bindings.discovery(
    "replicas",
    bindings.watch("reports", "RegistryReplica", REPORT, api=names.API_VERSION),
    bindings.watch(
        "pods", "Pod", POD, namespace=names.NAMESPACE, labelSelector={"matchLabels": {"app": names.GATEWAY_APP}}
    ),
    min_interval="1s",
)


def main(ctx: Any) -> None:
    facts = snapshots.internal(ctx.values).setdefault("facts", {})
    facts["replicas"] = replica_facts.collect(
        snapshots.results(ctx.snapshots, "reports"), snapshots.results(ctx.snapshots, "pods")
    )


if __name__ == "__main__":
    hook.run(main, config=CONFIG)
