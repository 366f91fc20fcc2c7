"""A wave whose nodes keep failing is returned: nodes that have the new route get the one before it, in one go.

Only while a route is prepared, when nothing depends on it yet: nodes have the old way too, and the Secret of the
platform says what it said. After some time, or with other settings, it is tried again from the first wave on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import names, waves
from .checks import listing
from .context import Context
from .node_route import APPLY, REMOVE
from .state import State
from .trial import MAX_WHY, Failing, Good, Returned, Trial, is_within, later

AFTER = 600
"""Seconds for which one node at least has failed at every look. Its test pull is repeated every 10 s."""
AGAIN = 3600
"""Seconds until what was returned is tried again. Each try and each return costs every node a run of bashible."""
STAGE = "NodesPrepared"


def judged(context: Context) -> State:
    """The state after a look at who fails and at the clock: as it was, with a wave returned, or with a new try."""
    state, trial, now = context.state, context.state.trial, context.inputs.now
    if trial.returned is not None:
        missed = state.nodes == REMOVE and context.used
        over = missed or not is_within(now, trial.returned.at, AGAIN)
        return replace(state, trial=trial.anew()) if over else state
    failing = _failing(context)
    if failing is None or is_within(now, failing.since, AFTER) or _somebody_is_silent(context):
        return replace(state, trial=replace(trial, failing=failing))
    good, returned = trial.good, Returned(waves.label(context.settings.waves, context.wave), now, _why(context))
    return replace(
        state,
        trial=Trial(good, returned=returned),
        node_routes=good.routes if good else (),
        gateways_first=good is not None and good.gateways_first,
        nodes=APPLY if good else REMOVE,
    )


def proved(context: Context) -> State:
    """The state once all Ready nodes have pulled by their present route: that is the good one."""
    state = context.state
    if not context.managed or state.nodes != APPLY:
        return state
    return replace(state, trial=Trial(Good(state.node_routes, state.gateways_first)))


def is_removing(context: Context) -> bool:
    """Whether Ready nodes are still giving up a route. What they report of it is past: a new one has to wait."""
    removed = context.state.nodes == REMOVE and not context.used
    return removed and any(group.ready for group in context.facts.nodes.groups if group.version)


def due(context: Context) -> str:
    """When the wave is going to be returned, "" when not."""
    failing = context.state.trial.failing
    return later(failing.since, AFTER) if failing else ""


def told(context: Context) -> dict[str, Any]:
    """For `explain stage`: {failing, failingSince, returnsAt} or {returned, returnedAt, why, triedAgainAt} or {}."""
    failing, returned = context.state.trial.failing, context.state.trial.returned
    if returned is not None:
        again = later(returned.at, AGAIN)
        return {"returned": returned.wave, "returnedAt": returned.at, "why": returned.why, "triedAgainAt": again}
    if failing is not None:
        return {"failing": list(failing.nodes), "failingSince": failing.since, "returnsAt": due(context)}
    return {}


def _failing(context: Context) -> Failing | None:
    """Who fails by a route that there is something to return from."""
    state, now = context.state, context.inputs.now
    failed = _failed(context)
    if not failed or context.had_both or not _is_new(context):
        return None
    # Behind another stage the clock begins anew: what was failing there has just been repaired, perhaps.
    before = state.trial.failing if state.stage == STAGE else None
    still = tuple(name for name in before.nodes if name in failed) if before else ()
    # One node after another, each for a moment, is no route that fails.
    return Failing(before.since, still) if before and still and before.since <= now else Failing(now, failed)


def _failed(context: Context) -> tuple[str, ...]:
    nodes, version = context.facts.nodes, context.route().get("version", "")
    wrong = (version, "failed")
    found = {name for group in nodes.groups if (group.version, group.canary) == wrong for name in group.names}
    if nodes.first is not None and (nodes.first.version, nodes.first.canary) == wrong:
        found.add(nodes.first.name)  # groups are bounded
    return tuple(sorted(found)[: names.MAX_NAMES])


def _is_new(context: Context) -> bool:
    """Whether the route is another one than the good one; without a good one, whether nodes can do without any."""
    state, good = context.state, context.state.trial.good
    if good is None:
        return state.nodes == APPLY and not context.used
    return good != Good(state.node_routes, state.gateways_first)


def _somebody_is_silent(context: Context) -> bool:
    """A node that was told to take its first route and has said nothing looks clean, and may be at it."""
    return context.state.trial.good is None and waves.silent(context.facts.nodes, context.wave) > 0


def _why(context: Context) -> str:
    errors, failed = dict(context.facts.nodes.failures), _failed(context)
    said = (f"{name}: {errors[name].rstrip('.')}" if errors.get(name) else name for name in failed)
    return listing(said)[:MAX_WHY]
