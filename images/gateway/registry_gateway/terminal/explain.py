"""`registry-gateway explain IMAGE`: what would be asked of whom, in which order, and what each answers now.

`--json` prints:
  configVersion
  image: given, host, repository, reference: how the name was read
  clients[]: who may ask, named as in the access log (`node:*`, `user:NAME`, `upstream:NAME`, `anonymous`, who gets from
    registries without a login only)
  push: clients[] (who may), message (how, or why nobody may)
  refused: null, or status, code, message of what a client is told before anybody is asked
  store: null without one, or role, error ("" when it can be used), digest of a tag there ("" without), age (seconds
    since that tag was set or last confirmed, else null), asksAgain (registries are asked what it names nevertheless)
  owner: name of the replica that fetches that digest in a cache ("" elsewhere, and for tags)
  sources[], in the order of asking: kind (registry, store, peer), id, host, serves (clients are sent there; false for a
    candidate), fills (a copy is filled from it), url, user, login, tokenServer, scope as in `registries.identity`,
    answered, chosen (this one's answer is the clients'), status (of HTTP, 0 without one), digest, mediaType, size
    (bytes), seconds, reason and message ("" when all is well)
  clientError: null, or status, code, message of what clients get because nobody answers
  complete: whether all parts are there; null without an answer
  parts[] of what clients get, depth first: depth (0 = the image), role (manifest, config, layer), reference (of the
    image itself as it was given, else a digest), source (who has it: host, `store`, `peer:NAME`), platform, mediaType,
    size, reason, message
or, for a configuration that is unusable: configError.
"""

# ruff: noqa: T201 - printing is what this command is for

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop

from registry_gateway import mount, translate
from registry_gateway.access import Gatekeeper
from registry_gateway.api import READ_ONLY
from registry_gateway.check.walk import Walk
from registry_gateway.config import Config, ConfigError
from registry_gateway.config_store import Role
from registry_gateway.mount import Mounted
from registry_gateway.oci import OciError
from registry_gateway.push.pushes import WHO_MAY
from registry_gateway.sources.base import Source
from registry_gateway.sources.manifests import is_fresh
from registry_gateway.sources.ordered import NoAnswerError
from registry_gateway.sources.peer import by_preference
from registry_gateway.sources.stored import StoredSource
from registry_gateway.sources.transport import Deadlines
from registry_gateway.sources.upstream import UpstreamSource
from registry_gateway.store.errors import StoreError, UnknownError
from registry_gateway.stores import Keeper
from registry_gateway.target import Kind
from registry_gateway.terminal import BAD, GOOD, INVALID, explain_text, image_name
from registry_gateway.terminal.explain_facts import ask, parts
from registry_gateway.terminal.image_name import ImageName
from registry_gateway.terminal.registries import opened
from registry_gateway.terminal.replicas import others, own_store
from registry_gateway.terminal.way import Found, Way


def explain(folder: Path, image: str, *, data: Path, name: str, as_json: bool, deadlines: Deadlines) -> int:
    """Print it. GOOD when somebody answers clients, BAD when nobody does, INVALID when nobody would be asked. The store
    is in `data`, and `name` is this replica's.
    """
    try:
        mounted = mount.check(mount.read(folder))
        found = uvloop.run(_look(mounted, image, data, name, deadlines))
    except ConfigError as error:
        print(json.dumps({"configError": str(error)}) if as_json else f"configuration: {error}")
        return INVALID
    print(json.dumps(found, indent=2) if as_json else explain_text.text(found))
    if found["refused"]:
        return INVALID
    return BAD if found["clientError"] else GOOD


async def _look(mounted: Mounted, image: str, data: Path, own: str, deadlines: Deadlines) -> dict[str, Any]:
    config, gatekeeper = mounted.config, Gatekeeper(mounted.config)
    name = image_name.read(image, alias=config.alias)
    async with AsyncExitStack() as stack:
        keeper = await stack.enter_async_context(own_store(config, data))
        found: dict[str, Any] = {
            "configVersion": config.version,
            "image": {"given": image, "host": name.host, "repository": name.repository, "reference": name.reference},
            "clients": gatekeeper.welcome(),
            "push": _push(config, gatekeeper, keeper),
            "refused": None,
            "store": None,
            "owner": "",
            "sources": [],
            "clientError": None,
            "complete": None,
            "parts": [],
        }
        try:
            rest = image_name.rest(name, alias=config.alias)
        except OciError as error:
            return {**found, "refused": _told(error)}
        if config.store is not None:
            found["store"] = await _stored(config.store.role, keeper, name)
        registries = await stack.enter_async_context(opened(config.upstreams, deadlines))
        way = Way(
            name.reference,
            config,
            [source for source in registries if source.upstream in config.routes],
            StoredSource(keeper, config.alias),
            await stack.enter_async_context(others(mounted, own, deadlines)),
            own,
            fresh=bool(found["store"] and found["store"]["age"] is not None and is_fresh(found["store"]["age"])),
        )
        if found["store"]:
            found["store"]["asksAgain"] = way.asks_again
        found["owner"] = _owner(way)
        await _follow(way, rest, registries, found)
        return found


async def _follow(way: Way, rest: str, registries: Sequence[UpstreamSource], found: dict[str, Any]) -> None:
    """Ask everybody, and put what comes of it into `found`."""
    serving = way.order(way.reference)
    asked = [*serving, *(source for source in registries if source not in serving)]
    seen = await asyncio.gather(*(ask(source, rest, way.reference) for source in asked))
    answers = {source: Found(facts["digest"], refusal) for source, (facts, refusal) in zip(asked, seen, strict=True)}
    chosen: Source | None = None
    try:
        chosen = way.chosen(answers)
    except NoAnswerError as error:
        found["clientError"] = _told(translate.failure(error, Kind.MANIFEST))
    for source, (facts, _) in zip(asked, seen, strict=True):
        filling = way.config.store.fill if way.config.store else ()
        facts["serves"] = source in serving
        facts["fills"] = isinstance(source, UpstreamSource) and source.upstream in filling
        facts["chosen"] = source is chosen
        found["sources"].append(facts)
    if chosen is not None:
        [root] = await Walk(way.served_by(chosen), rest=rest).images([way.reference])
        found["parts"] = list(parts(root))
        found["complete"] = root.verdict() is None


async def _stored(role: Role, keeper: Keeper, name: ImageName) -> dict[str, Any]:
    known: dict[str, Any] = {"role": role.value, "error": keeper.error, "digest": "", "age": None, "asksAgain": False}
    if keeper.opened is not None and ":" not in name.reference:
        with keeper.opened.held() as store:
            try:
                digest, checked = await store.contents.tag(name.repository, name.reference)
            except UnknownError:
                return known
            except StoreError as error:
                return {**known, "error": error.message}
        return {**known, "digest": digest, "age": round(time.time() - checked)}
    return known


def _owner(way: Way) -> str:
    cache = way.chain is not None and way.chain.role is Role.CACHE
    if not cache or not way.peers or ":" not in way.reference:
        return ""
    return by_preference(way.reference, [peer.name for peer in way.config.peers])[0]


def _push(config: Config, gatekeeper: Gatekeeper, keeper: Keeper) -> dict[str, Any]:
    if config.store is None or config.store.role is not Role.COPY:
        return {"clients": [], "message": READ_ONLY}
    if keeper.error:
        return {"clients": gatekeeper.pushers(), "message": f"nothing can be pushed now: {keeper.error}"}
    return {"clients": gatekeeper.pushers(), "message": f"{WHO_MAY}; into {config.alias} and below"}


def _told(error: OciError) -> dict[str, Any]:
    return {"status": error.status, "code": error.code.value, "message": error.message}
