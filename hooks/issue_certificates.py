#!/usr/bin/env python3
"""Keep the module's CA and the serving certificate of the gateways: issue, extend to new masters, renew.

Nothing is issued before gateways are needed; what exists is kept, so that a return needs no new trust.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from deckhouse import hook

from lib.registry_module import bindings, facts, names, pki, snapshots

OURS = {"matchLabels": {snapshots.OWNER_LABEL: snapshots.OWNER}}
CONFIG = bindings.decision(
    beforeHelm=10,
    schedule=[
        {"name": "renewal", "crontab": "17 3 * * *", "queue": "/modules/registry/pki", "includeSnapshotsFrom": ["pki"]}
    ],
    kubernetes=[
        bindings.snapshot(
            name, "Secret", jq, names=("registry-" + name,), namespace=names.NAMESPACE, labelSelector=OURS
        )
        for name, jq in (("pki", ".data"), ("state", ".metadata.name"))
    ],
)


def main(ctx: Any) -> None:
    internal = snapshots.internal(ctx.values)
    stored = next(iter(snapshots.results(ctx.snapshots, "pki")), None)
    current = internal.get("pki") or pki.from_secret(stored)
    known = facts.parse(internal.get("facts") or {}, None)
    managed = snapshots.settings_of(ctx.values).get("mode", names.UNMANAGED) != names.UNMANAGED
    # A switch on its way back, or an address in use that nobody remembers: gateways run in Unmanaged too.
    remembered = bool(snapshots.results(ctx.snapshots, "state"))
    if not (current or managed or remembered or known.in_use):
        return
    internal["pki"] = pki.advance(
        current,
        addresses=[node.address for node in known.nodes.control_plane],
        now=dt.datetime.now(dt.timezone.utc),
        distributed=pki.distributed(internal),
    )


if __name__ == "__main__":
    hook.run(main, config=CONFIG)
