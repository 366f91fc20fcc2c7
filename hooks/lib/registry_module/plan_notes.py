"""What a planned switch costs, and what of it cannot be undone."""

from __future__ import annotations

from typing import Iterator

from . import names, wave_return, waves
from .checks import listing
from .context import Context
from .settings import CHECK_RELAX
from .store_settings import CACHE, COPY

_PLATFORM_NAMESPACES = ("d8-", "kube-system/")


def notes(now: Context, end: Context) -> list[str]:
    """Sentences for people.

    :param now: present facts and present state, the proposed settings are not in it
    :param end: what the plan ends with
    """
    return [*_stores(now, end), *_way_back(now, end), *_cluster(now, end)]


def _stores(now: Context, end: Context) -> Iterator[str]:
    before, after = now.state.store, end.state.store
    if before and before.role == COPY and after and after.role == CACHE:
        yield (
            "Cannot be undone: a copy becomes a cache. A cache evicts what it does not have room for, images that were "
            "pushed as well; keep those elsewhere too."
        )
    if before and before.role == COPY and after is None:
        yield "Cost: images that only the gateways' copy has cannot be pulled once the switch is done."
    if before and after is None:
        yield f"Left behind: the content in {before.path} of the control-plane nodes; remove it yourself."
    if before and after and before.path != after.path:
        yield f"Cost: content in {before.path} is not moved to {after.path}; it is fetched or pushed again."
    if after and after.role == COPY and after.fill is None and not (before and before.role == COPY):
        yield "Needed: local.source is not set, so what no present registry has must be pushed to the gateways."
    if after and after.role == CACHE and end.target is not None:
        yield f"Cost: images that are in no store yet are fetched from {end.target.host} when they are asked for."


def _way_back(now: Context, end: Context) -> Iterator[str]:
    if end.managed and end.state.original is None:
        yield (
            "Cannot be undone by mode Unmanaged: the registry from before the first switch is not known. To return, "
            f"write it to Secret {names.NAMESPACE}/{names.PLATFORM_SECRET} together with that mode."
        )
    elif end.managed and not now.state.gateway and end.state.original is not None:
        yield (
            f"Way back: {end.state.original.base} is kept in Secret {names.NAMESPACE}/registry-state with the login "
            "of today; if that login ends, so does the way back."
        )
    if not end.managed and now.state.original is not None:
        yield "Cannot be undone: when the switch is done, the module forgets the registries it had."


def _cluster(now: Context, end: Context) -> Iterator[str]:
    facts = now.facts
    sizes = waves.sizes(facts.nodes, end.settings.waves)
    if len(sizes) > 1 and (end.managed or now.state.nodes):
        parts = "; ".join(f"{label} ({size})" for label, size in sizes)
        yield (
            f"Waves: each route goes to {parts}. A node that cannot pull by it is named, and no further node gets it. "
            f"If it fails for {wave_return.AFTER // 60} minutes before the platform is switched, nodes get back what "
            f"they had, and the route is tried again after {wave_return.AGAIN // 60} minutes or with other settings."
        )
    own = [name for name in facts.pods if not name.startswith(_PLATFORM_NAMESPACES)]
    if not end.managed and own:
        yield (
            f"Will wait for you: pods of your own use {names.VIRTUAL_HOST}: {listing(own)}. Give them another image "
            "address; gateways and routes stay until then."
        )
    if end.managed and len([node for node in facts.nodes.control_plane if node.ready]) == 1:
        yield "Risk: one gateway only. While its node is down, only nodes that rewrite can pull, from the registry."
    if facts.nodes.not_ready_count:
        yield f"Later: nodes that are not Ready follow when they return: {_absent(now)}."
    if end.managed and end.settings.check_mode == CHECK_RELAX:
        yield "Risk: checkMode Relax looks for the image of Deckhouse alone; others may be missing at the registry."


def _absent(now: Context) -> str:
    return listing(now.facts.nodes.not_ready, now.facts.nodes.not_ready_count)
