#!/usr/bin/env python3
"""Pods → fact: who still references the virtual address. The route may go only when nobody does."""

from __future__ import annotations

from typing import Any

from deckhouse import hook

from lib.registry_module import bindings, names, pod_facts, proof_facts, snapshots

# A pod changes its images hardly ever, so status changes start nothing; others, and finished ones, give null. So do the
# pods of the proof, which need nobody's route.
USER = f"""if .status.phase == "Succeeded" or .status.phase == "Failed"
  or (.metadata.namespace == "{names.NAMESPACE}" and (.metadata.labels // {{}}).app == "{proof_facts.APP}") then null
elif [.spec | (.initContainers // []) + (.containers // []) | .[].image | strings
  | startswith("{names.VIRTUAL_HOST}/")] | any
then .metadata.namespace + "/" + .metadata.name else null end"""

CONFIG = bindings.discovery("pods", bindings.watch("pods", "Pod", USER), min_interval="5s")


def main(ctx: Any) -> None:
    facts = snapshots.internal(ctx.values).setdefault("facts", {})
    facts["pods"] = pod_facts.collect(snapshots.results(ctx.snapshots, "pods"))


if __name__ == "__main__":
    hook.run(main, config=CONFIG)
