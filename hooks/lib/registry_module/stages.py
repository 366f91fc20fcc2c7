"""The stages of a switch, as a table: a new stage is a row, an `enter` and a `check`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable

from . import checks, node_checks, pull_proof, wave_return
from .conditions import Verdict
from .context import Context
from .node_route import APPLY, REMOVE
from .state import State, first
from .store_settings import COPY, SPARE, StoreSettings
from .trial import Trial


def _nothing(context: Context) -> State:
    return context.state


def _want_gateways(context: Context) -> State:
    """Deploy gateways, and note the registry to go back to while it can still be read.

    When the address is in use and the state that knew its routes is lost, the settings are the best guess there is:
    gateways that serve nothing until every image was checked would be worse.
    """
    state = replace(context.state, store=_store_to_begin_with(context))
    if context.facts.in_use:
        served = bool(state.gateway_routes or context.state.store)
        return replace(state, gateway=True, gateway_routes=state.gateway_routes if served else context.target_routes)
    if not context.managed:
        return state
    return replace(state, gateway=True, original=context.return_registry)


def _store_to_begin_with(context: Context) -> StoreSettings | None:
    """A store is there before it is relied on: a copy has to be filled.

    A copy becomes a cache only when the registry behind it was found good: a cache may forget what it holds.
    """
    wanted, present = context.store, context.state.store
    if wanted is not None and (present is None or wanted.role in (present.role, COPY)):
        return wanted
    return present


def _offer_route(context: Context) -> State:
    """Gateways serve the new registry first; only when they have loaded that, nodes are told.

    A store that is not wanted any more still gives what only it has. A wave that was returned stays so for a while.
    """
    if not context.managed:
        return context.state
    state = wave_return.judged(context)
    if state.trial.returned or wave_return.is_removing(context):
        return state
    store = context.store or (replace(state.store, role=SPARE) if state.store else None)
    gateway_routes = first(state.gateway_routes, *context.target_routes)
    if (gateway_routes, store) != (state.gateway_routes, state.store):
        return replace(state, gateway_routes=gateway_routes, store=store)
    node_routes = first(state.node_routes, *context.target_node_routes)
    # From a store: until pull secrets have the login of the registry, theirs is none of its business.
    gateways_first = context.store is not None or state.gateways_first
    return replace(state, node_routes=node_routes, gateways_first=gateways_first, nodes=APPLY)


def _remember(context: Context) -> State:
    """Nodes have proved a route that has the new one beside the old: from now on that one is the good one."""
    return context.state if context.had_both else wave_return.proved(context)


def _only_new_route(context: Context) -> State:
    state = context.state
    if context.managed:
        return replace(
            state, node_routes=context.target_node_routes, gateways_first=context.store is not None, nodes=APPLY
        )
    nodes = REMOVE if state.nodes or _somebody_left(context) else ""
    return replace(state, node_routes=(), nodes=nodes, trial=Trial())


def _somebody_left(context: Context) -> bool:
    """Whether any node still has a route of this module, Ready or not."""
    return any(group.version for group in context.facts.nodes.groups)


def _drop_old(context: Context) -> State:
    """The end: gateways forget old registries, or go; nodes that come back late are still cleaned."""
    state = wave_return.proved(context)
    if context.managed:
        return replace(state, gateway_routes=context.target_routes, store=context.store)
    nodes = state.nodes if _somebody_left(context) else ""
    return replace(state, gateway=False, gateway_routes=(), store=None, nodes=nodes, original=None)


@dataclass(frozen=True)
class Stage:
    """One row: `enter` says what the state becomes once all earlier rows hold (idempotent), `check` whether it is done.

    `limit`: seconds after which a stage that is still not done is called stalled.
    """

    name: str
    enter: Callable[[Context], State]
    check: Callable[[Context], Verdict]
    limit: int


STAGES = (
    Stage("SettingsValid", _nothing, checks.settings_valid, 0),
    Stage("RuntimeSupported", _nothing, checks.runtime_supported, 600),
    Stage("GatewayReady", _want_gateways, checks.gateway_ready, 600),
    Stage("ImagesAvailable", _nothing, checks.images_available, 1800),
    Stage("NodesPrepared", _offer_route, node_checks.nodes_prepared, 3600),
    Stage(pull_proof.STAGE, pull_proof.note, pull_proof.check, 1800),
    Stage("PlatformSwitched", _remember, checks.platform_switched, 1800),
    Stage("Drained", _nothing, checks.drained, 3600),
    Stage("NodesFinalized", _only_new_route, node_checks.nodes_finalized, 3600),
    Stage("Ready", _drop_old, checks.ready, 0),
)
