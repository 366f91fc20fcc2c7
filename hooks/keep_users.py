#!/usr/bin/env python3
"""Keep the module's own accounts, `ro` and `rw`: generated once, then as their Secrets say.

A Secret that was deleted gets a new password.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from deckhouse import hook

from lib.registry_module import bindings, names, snapshots, users
from lib.registry_module.encoding import decode

OURS = {"matchLabels": {snapshots.OWNER_LABEL: snapshots.OWNER}}
USER = """{
  name: .data.name, password: .data.password, sha256: .data["previous.sha256"], until: .data["previous.until"]
}"""
CONFIG = bindings.decision(
    beforeHelm=20,
    kubernetes=[
        bindings.watch(
            "users",
            "Secret",
            USER,
            names=tuple(f"registry-user-{name}" for name in sorted(users.RIGHTS)),
            namespace=names.NAMESPACE,
            labelSelector=OURS,
            # Somebody has given a password, or deleted the Secret for a new one.
            executeHookOnEvent=["Modified", "Deleted"],
            executeHookOnSynchronization=False,
            queue="/modules/registry/users",
        )
    ],
)


def main(ctx: Any) -> None:
    internal = snapshots.internal(ctx.values)
    found = snapshots.results(ctx.snapshots, "users")
    texts = [{key: decode(value) for key, value in item.items()} for item in found]
    stored = {text.pop("name", ""): {"password": text.pop("password", ""), "previous": text} for text in texts}
    current = internal.get("users") or {}
    wanted = snapshots.settings_of(ctx.values).get("mode", names.UNMANAGED) != names.UNMANAGED
    if wanted or current or stored:
        internal["users"] = users.keep(
            current,
            stored,
            now=dt.datetime.now(dt.timezone.utc),
            delivered=bool(internal.get("gateway")),
        )


if __name__ == "__main__":
    hook.run(main, config=CONFIG)
