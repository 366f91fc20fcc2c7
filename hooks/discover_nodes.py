#!/usr/bin/env python3
"""Nodes → facts: runtimes, readiness, control-plane addresses, applied route versions, canary verdicts, pull proofs.

Only what is used passes the filter, so that heartbeats of nodes start nothing; the facts are bounded.
"""

from __future__ import annotations

from typing import Any

from deckhouse import hook

from lib.registry_module import bindings, names, node_facts, proof_facts, snapshots

NODE = f"""{{
  name: .metadata.name,
  runtime: .status.nodeInfo.containerRuntimeVersion,
  ready: ([.status.conditions[]? | select(.type == "Ready") | .status] == ["True"]),
  controlPlane: ((.metadata.labels // {{}}) | has("node-role.kubernetes.io/control-plane")),
  address: ([.status.addresses[]? | select(.type == "InternalIP") | .address] | .[0]),
  version: (.metadata.annotations // {{}})["{names.ANNOTATION_VERSION}"],
  report: (.metadata.annotations // {{}})["{names.ANNOTATION_REPORT}"]
}}"""

# A pod that could not be placed names its node in its affinity alone, where the DaemonSet's controller puts it.
PROOF = f"""{{
  node: (.spec.nodeName // ([.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    | .nodeSelectorTerms[]?.matchFields[]? | select(.key == "metadata.name") | .values[]?] | .[0])),
  version: (.metadata.labels // {{}})["{proof_facts.LABEL}"],
  placed: ([.status.conditions[]? | select(.type == "PodScheduled") | .status] != ["False"]),
  phase: .status.phase,
  pulled: ([.status.containerStatuses[]? | .imageID | strings | select(. != "")] != []),
  reason: ([.status.containerStatuses[]?.state.waiting.reason] | .[0]),
  message: ([.status.containerStatuses[]?.state.waiting.message] | .[0])
}}"""

CONFIG = bindings.discovery(
    "nodes",
    bindings.watch("nodes", "Node", NODE),
    bindings.watch(
        "proof", "Pod", PROOF, namespace=names.NAMESPACE, labelSelector={"matchLabels": {"app": proof_facts.APP}}
    ),
    min_interval="2s",
)


def main(ctx: Any) -> None:
    facts = snapshots.internal(ctx.values).setdefault("facts", {})
    nodes = snapshots.results(ctx.snapshots, "nodes")
    facts["nodes"] = node_facts.collect(nodes)
    facts["proofs"] = proof_facts.collect(snapshots.results(ctx.snapshots, "proof"), nodes, facts.get("proofs"))


if __name__ == "__main__":
    hook.run(main, config=CONFIG)
