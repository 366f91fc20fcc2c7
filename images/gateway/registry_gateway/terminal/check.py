"""`registry-gateway check`: the checks of the cluster, once.

`--json` prints:
  configVersion, certificateNotAfter (RFC 3339), certificateExpired
  upstreams[]: id, host, reachable, reason, message as in RegistryReplica; serves (clients are sent there; false for
    a candidate); user, login, tokenServer, scope as in `registries.identity`
  store: null without one, or role, error ("" when it can be used), bytes and blobs (of content), limit (bytes that a
    cache may have, 0: none), free (bytes on its disk), full (less is free than must be: nothing new is stored)
  peers[], the other replicas: name, host, reachable, reason, message as for registries
  check: null when no image is expected, or version ("" with --image), host ("" for the own store), total, checked,
    present, complete, errorCount, errors[] (all of them): image, reference, host, status (of HTTP, 0 without one),
    reason, message
  requests, seconds: of the check of images
or, for a configuration that is unusable: configError.
"""

# ruff: noqa: T201 - printing is what this command is for

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from registry_gateway import mount, status
from registry_gateway.check.progress import describe
from registry_gateway.check.rounds import Rounds
from registry_gateway.check.stored import Stored
from registry_gateway.config import Check, Config, ConfigError, Image
from registry_gateway.config_store import Role
from registry_gateway.mount import Mounted
from registry_gateway.probes import Probes, told
from registry_gateway.probes import ask as probe
from registry_gateway.sources.base import ignore
from registry_gateway.sources.transport import Deadlines
from registry_gateway.store.errors import StoreError
from registry_gateway.store.store import Store
from registry_gateway.store.upkeep import Usage
from registry_gateway.stores import Keeper
from registry_gateway.terminal import BAD, GOOD, INVALID, progress
from registry_gateway.terminal.amount import amount
from registry_gateway.terminal.registries import identity, identity_text, opened
from registry_gateway.terminal.replicas import others, own_store

ERRORS_SHOWN = 20  # as text; all of them with --all
_DAY = 86400.0


def check(
    folder: Path,
    *,
    data: Path,
    name: str,
    images: Sequence[Image],
    as_json: bool,
    show_all: bool,
    parallel: int,
    deadlines: Deadlines,
) -> int:
    """Print what is found and return the exit code. `images` are asked for instead of the configuration's; the store is
    in `data`, and `name` is this replica's.
    """
    try:
        mounted = mount.check(mount.read(folder))
        expected = _expected(mounted.config, images)
        now = time.time()
        found = {
            "configVersion": mounted.config.version,
            "certificateNotAfter": status.rfc3339(mounted.not_after),
            "certificateExpired": mounted.not_after <= now,
            **uvloop.run(_look(mounted, expected, data, name, parallel, deadlines)),
        }
    except ConfigError as error:
        print(json.dumps({"configError": str(error)}) if as_json else f"configuration: {error}")
        return INVALID
    print(json.dumps(found, indent=2) if as_json else _text(found, (mounted.not_after - now) / _DAY, show_all=show_all))
    return GOOD if _is_good(found) else BAD


def _is_good(found: dict[str, Any]) -> bool:
    store, images = found["store"], found["check"]
    return not (
        found["certificateExpired"]
        or any(one["reason"] for one in (*found["upstreams"], *found["peers"]))
        or (store and (store["error"] or store["full"]))
        or (images and (images["errorCount"] or images["checked"] < images["total"]))
    )


def _expected(config: Config, images: Sequence[Image]) -> Check | None:
    if not images:
        return config.check
    if config.check is None and config.store and config.store.role is Role.COPY:
        return Check("", None, tuple(images))
    if config.check is None and not config.routes:
        raise ConfigError("routes: is empty, there is no registry to ask for images")
    return Check("", config.check.upstream if config.check else config.routes[0], tuple(images))


async def _look(
    mounted: Mounted, expected: Check | None, data: Path, name: str, parallel: int, deadlines: Deadlines
) -> dict[str, Any]:
    config, asked_for = mounted.config, expected.upstream if expected else None
    async with (
        opened([*config.upstreams, *([asked_for] if asked_for else [])], deadlines) as sources,
        own_store(config, data) as keeper,
        others(mounted, name, deadlines) as peers,
    ):
        probes = Probes(ignore)
        verdicts, _ = await asyncio.gather(asyncio.gather(*(probe(peer) for peer in peers)), probes.round(sources))
        asked = [source for source, _ in probes.verdicts.values()]
        found: dict[str, Any] = {
            "upstreams": [
                {
                    **verdict,
                    "serves": source.upstream in config.routes,
                    **identity(source, source.upstream.path),
                }
                for source, verdict in zip(asked, probes.status(), strict=True)
            ],
            "store": await _store(config, keeper),
            "peers": [
                {"name": peer.peer.name, "host": peer.peer.host, **told(error)}
                for peer, error in zip(peers, verdicts, strict=True)
            ],
            "check": None,
            "requests": 0,
            "seconds": 0.0,
        }
        if expected:
            started = time.perf_counter()
            rounds: Rounds | Stored
            if asked_for:
                rounds = Rounds(expected, sources[-1], ignore, parallel=parallel)
            else:
                rounds = Stored(expected, config.alias, lambda: _opened(keeper), ignore)
            async with progress.shown(lambda: _so_far(rounds)):
                await rounds.round(rounds.progress.references)
            found["check"] = _result(rounds)
            found["requests"] = rounds.requests if isinstance(rounds, Rounds) else 0
            found["seconds"] = round(time.perf_counter() - started, 3)
        return found


def _opened(keeper: Keeper) -> Store:
    """Raises StoreError when there is none."""
    if keeper.opened is None:
        raise StoreError(keeper.error or "the configuration has none")
    with keeper.opened.held() as store:  # nobody closes it before the command ends
        return store


async def _store(config: Config, keeper: Keeper) -> dict[str, Any] | None:
    if config.store is None:
        return None
    settings = config.store
    found = {"role": settings.role.value, "error": keeper.error, "limit": settings.size}
    usage = Usage(0, 0, 0, 0)
    if keeper.opened is not None:
        try:
            usage = await _opened(keeper).upkeep.usage()
        except StoreError as error:
            found["error"] = error.message
    full = not found["error"] and usage.free < settings.min_free
    return {**found, "bytes": usage.size, "blobs": usage.pieces, "free": usage.free, "full": full}


def _result(rounds: Rounds | Stored) -> dict[str, Any]:
    errors = [
        {**describe(image, error), "host": error.host, "status": error.status}
        for image, error in rounds.progress.failed
    ]
    upstream = rounds.progress.check.upstream
    return {**rounds.progress.status(), "host": upstream.host if upstream else "", "errors": errors}


def _so_far(rounds: Rounds | Stored) -> str:
    found = rounds.progress.status()
    return f"images: {found['checked']} of {found['total']} asked for, {found['errorCount']} failed"


def _text(found: dict[str, Any], days: float, *, show_all: bool) -> str:
    end = "has EXPIRED" if found["certificateExpired"] else f"ends in {days:.0f} days"
    lines = [
        f"configuration: valid, version {found['configVersion']}",
        f"certificate: {end}, {found['certificateNotAfter']}",
    ]
    for upstream in found["upstreams"]:
        verdict = f"{upstream['reason']}: {upstream['message']}" if upstream["reason"] else "reachable"
        candidate = "" if upstream["serves"] else ", not for clients yet"
        lines.append(f"registry {upstream['host']} ({identity_text(upstream)}{candidate}): {verdict}")
    if found["store"]:
        lines.append(f"store: {_stored(found['store'])}")
    for peer in found["peers"]:
        verdict = f"{peer['reason']}: {peer['message']}" if peer["reason"] else "reachable"
        lines.append(f"replica {peer['name']}, {peer['host']}: {verdict}")
    images = found["check"]
    if images is None:
        return "\n".join([*lines, "images: the configuration names none to check; see --image"])
    where = f"at {images['host']}" if images["host"] else "in the store of this replica"
    lines.append(f"images: {images['present']} of {images['total']} present {where}")
    errors = images["errors"] if show_all else images["errors"][:ERRORS_SHOWN]
    lines += [f"  {error['image']} ({error['reference']}): {error['reason']}: {error['message']}" for error in errors]
    if len(errors) < images["errorCount"]:
        lines.append(f"  and {images['errorCount'] - len(errors)} more; --all shows them")
    if images["host"]:
        rate = found["requests"] / max(found["seconds"], 0.001)
        lines.append(f"asked: {found['requests']} requests in {found['seconds']:.1f} s, {rate:.0f} a second")
    return "\n".join(lines)


def _stored(store: dict[str, Any]) -> str:
    if store["error"]:
        return f"{store['role']}, cannot be used: {store['error']}"
    limit = f" of {amount(store['limit'])}" if store["limit"] else ""
    full = ", FULL: nothing new is stored" if store["full"] else ""
    return (
        f"{store['role']}, {store['blobs']} pieces of content, {amount(store['bytes'])}{limit}, "
        f"{amount(store['free'])} free on the disk{full}"
    )
