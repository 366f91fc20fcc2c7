#!/usr/bin/env python3
"""The switch: decide the next step from settings, facts and state, and hand the desired objects to Helm.

The only object written here is Secret deckhouse-registry, which belongs to the platform: five keys, by merge patch.
"""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from deckhouse import hook

from lib.registry_module import (
    bindings,
    context,
    encoding,
    facts,
    history,
    names,
    settings,
    snapshots,
    state,
    status,
    switch,
    users,
)

GATEWAY_CONFIG = '.data["config.json"]'
OURS = {"matchLabels": {snapshots.OWNER_LABEL: snapshots.OWNER}}
# Time passes without events too: a stage that does not end is called stalled.
CLOCK = {"name": "clock", "crontab": "* * * * *", "queue": "/modules/registry/switch"}
CONFIG = bindings.decision(
    beforeHelm=30,
    schedule=[{**CLOCK, "includeSnapshotsFrom": ["state", "gateway", "main"]}],
    kubernetes=[
        bindings.snapshot(
            name, "Secret", jq, names=("registry-" + secret,), namespace=names.NAMESPACE, labelSelector=OURS
        )
        for name, secret, jq in (("state", "state", ".data.state"), ("gateway", "gateway-config", GATEWAY_CONFIG))
    ]
    + [bindings.snapshot("main", "Registry", ".status.history", api=names.API_VERSION, names=("main",))],
)


def main(ctx: Any) -> None:
    internal = snapshots.internal(ctx.values)
    now, known = dt.datetime.now(dt.timezone.utc), facts.parse(internal.get("facts") or {}, ctx.values.get("global"))
    inputs = context.Inputs(
        verdict=settings.parse(snapshots.settings_of(ctx.values)),
        facts=known,
        pki=internal.get("pki") or {},
        pull_login=users.pull_login(internal.get("users") or {}),
        gateway_users=tuple(users.for_gateway(internal.get("users") or {}, now=now, in_use=known.login)),
        now=now.strftime(switch.FORMAT),
    )
    kept = [text_of(ctx.snapshots, binding) for binding in ("state", "gateway")]
    memory = state.recall(internal.get("state"), *kept, salt=secrets.token_hex(16))
    outcome = switch.advance(inputs, history.restore(memory, snapshots.results(ctx.snapshots, "main")))
    internal["state"] = outcome.state.to_dict()
    internal["gateway"] = outcome.gateway
    internal["nodeRoute"] = outcome.node_route
    internal["proof"] = outcome.proof
    internal["status"] = status.render(context.Context(inputs, outcome.state), outcome)
    if outcome.platform_patch:
        ctx.kubernetes.merge_patch(
            "Secret", names.NAMESPACE, names.PLATFORM_SECRET, outcome.platform_patch, ignoreMissingObject=True
        )


def text_of(found: Any, binding: str) -> str:
    """The text in the only Secret of a binding, or ""."""
    return encoding.decode(next(iter(snapshots.results(found, binding)), ""))


if __name__ == "__main__":
    hook.run(main, config=CONFIG)
