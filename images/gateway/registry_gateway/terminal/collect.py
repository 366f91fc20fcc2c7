"""`registry-gateway collect [--dry-run]`: what would go from this replica's store, or the removal of it, once.

`--json` prints:
  configVersion, dryRun
  tags[]: repository, tag, digest, bytes (of what goes with it; what goes with several is counted in each)
  manifests[] that have no tag: repository, digest, bytes
  blobs, bytes: pieces of content that go, and their bytes
  keptBack: why what is not needed stays nevertheless, "" when none does
  absent[]: images of `local.keep` that are not here
  removed: null with --dry-run, or blobs, bytes, busy (pieces that stay, being in use)
or, for a configuration or a store that is unusable: configError, storeError.
"""

# ruff: noqa: T201 - printing is what this command is for

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import uvloop

from registry_gateway import mount
from registry_gateway.config import Config, ConfigError
from registry_gateway.config_store import Role
from registry_gateway.sources.base import ignore
from registry_gateway.store.errors import StoreError, UnknownError
from registry_gateway.store.plan import Named
from registry_gateway.store.store import Store
from registry_gateway.terminal import BAD, GOOD, INVALID
from registry_gateway.terminal.amount import amount
from registry_gateway.upkeep.collection import Collection, Found


def collect(folder: Path, data: Path, *, dry_run: bool, as_json: bool) -> int:
    """Print it. GOOD, BAD when something is kept back, INVALID when nothing can be said."""
    try:
        config = mount.check(mount.read(folder)).config
        found = uvloop.run(_collect(config, data, dry_run=dry_run))
    except ConfigError as error:
        print(json.dumps({"configError": str(error)}) if as_json else f"configuration: {error}")
        return INVALID
    except StoreError as error:
        print(json.dumps({"storeError": error.message}) if as_json else f"store: {error.message}")
        return INVALID
    print(json.dumps(found, indent=2) if as_json else _text(found))
    return BAD if found["keptBack"] else GOOD


async def _collect(config: Config, data: Path, *, dry_run: bool) -> dict[str, Any]:
    if config.store is None or config.store.role is not Role.COPY:
        raise ConfigError("store.role: only a copy (mode Local) is collected")
    if not data.is_dir():  # noqa: ASYNC240 - nobody waits for this loop
        raise ConfigError("--data: is no directory; name the one that the gateway has")
    async with await Store.open(data) as store:
        collection = Collection(
            store,
            config.alias,
            config.check,
            keep_releases=config.store.keep_releases,
            modules=dict(config.store.modules),
            keep=config.store.keep,
            changed=ignore,
        )
        found = await collection.look()
        removed = None if dry_run else await collection.collect()
        return {
            "configVersion": config.version,
            "dryRun": dry_run,
            **await _listed(store, found),
            "keptBack": found.kept_back,
            "absent": list(found.absent),
            "removed": removed and {"blobs": len(removed.digests), "bytes": removed.size, "busy": removed.busy},
        }


async def _listed(store: Store, found: Found) -> dict[str, Any]:
    plan = found.plan
    going = {one.digest: one.size for one in plan.content} if plan else {}
    tagged = {(one.repository, one.content.digest) for one in plan.tags} if plan else set()

    async def size(named: Named) -> int:
        try:
            needs = await store.contents.needs(named.repository, named.content.digest)
        except UnknownError:
            needs = []
        return sum(going.get(digest, 0) for digest in needs)

    return {
        "tags": [
            {"repository": one.repository, "tag": one.tag, "digest": one.content.digest, "bytes": await size(one)}
            for one in (plan.tags if plan else ())
        ],
        "manifests": [
            {"repository": one.repository, "digest": one.content.digest, "bytes": await size(one)}
            for one in (plan.manifests if plan else ())
            if (one.repository, one.content.digest) not in tagged
        ],
        "blobs": len(going),
        "bytes": sum(going.values()),
    }


def _text(found: dict[str, Any]) -> str:
    lines = [f"{one['repository']}:{one['tag']} {one['digest']} {amount(one['bytes'])}" for one in found["tags"]]
    lines += [f"{one['repository']}@{one['digest']} {amount(one['bytes'])}" for one in found["manifests"]]
    verb = "would go" if found["dryRun"] else "were to go"
    lines.append(f"{len(found['tags'])} tags, {found['blobs']} blobs, {amount(found['bytes'])} {verb}")
    if found["keptBack"]:
        lines.append(f"kept back: {found['keptBack']}")
    lines += [f"local.keep: {image} is not here" for image in found["absent"]]
    if found["removed"] is not None:
        removed = found["removed"]
        lines.append(f"removed: {removed['blobs']} blobs, {amount(removed['bytes'])}; {removed['busy']} are in use")
    return "\n".join(lines)
