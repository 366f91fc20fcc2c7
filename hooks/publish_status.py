#!/usr/bin/env python3
"""Show the switch to people: status of Registry/main, an Event for each stage, metrics of it and of the gateways."""

from __future__ import annotations

from typing import Any

from deckhouse import hook

from lib.registry_module import bindings, names, replica_metrics, snapshots, status

# An Event finds its way into `kubectl describe registry main` by the object's uid.
CONFIG = bindings.decision(
    afterHelm=10,
    kubernetes=[bindings.snapshot("main", "Registry", ".metadata.uid", api=names.API_VERSION, names=("main",))],
)


def main(ctx: Any) -> None:
    shown = snapshots.internal(ctx.values).get("status")
    if not shown:
        return
    ctx.kubernetes.merge_patch(
        "Registry",
        "",
        "main",
        {"status": status.replacement(shown)},
        names.API_VERSION,
        "status",
        ignoreMissingObject=True,
    )
    event = status.event(shown, uid=next(iter(snapshots.results(ctx.snapshots, "main")), ""))
    if event:
        ctx.kubernetes.create_if_not_exists(event)
    replicas = (snapshots.internal(ctx.values).get("facts") or {}).get("replicas") or []
    # A group without a single series is published too, so that those of the last gateway vanish with it.
    for group in (status.METRIC_GROUP, replica_metrics.GROUP):
        ctx.metrics.expire(group)
    for metric in [*status.metrics(shown), *replica_metrics.series(replicas)]:
        ctx.metrics.collect(metric)


if __name__ == "__main__":
    hook.run(main, config=CONFIG)
