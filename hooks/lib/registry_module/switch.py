"""The switch: settings, facts and state in; next state, desired objects and conditions out.

Evaluated from the top on every run and safe to stop anywhere: every row of the table is idempotent, and nothing is
remembered that can be seen. Rows that hold back a switch leave everything that works as it is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from . import conditions, history, informing, platform_secret, pull_proof
from .conditions import Verdict
from .context import Context, Inputs
from .settings import fitting
from .stages import STAGES, Stage
from .state import State

FORMAT = history.FORMAT
STALLED = "Stalled"
_DONE = STAGES[-1].name
_INFORMING = STAGES[0].name  # wrong settings hold nothing up: the last valid ones go on


@dataclass(frozen=True)
class Outcome:
    """The next state, and what follows from it."""

    state: State
    gateway: dict[str, Any]
    node_route: dict[str, Any]
    proof: dict[str, Any]
    platform_patch: dict[str, Any] | None


def advance(inputs: Inputs, state: State) -> Outcome:
    """One evaluation. Pure: equal inputs and state give equal outcomes; the time enters only through `inputs.now`."""
    inputs = replace(inputs, verdict=fitting(inputs.verdict, state.store))
    before = Context(inputs, state)
    if inputs.verdict.settings is not None:
        trial = state.trial if state.settings == inputs.verdict.settings else state.trial.anew()
        state = replace(state, settings=inputs.verdict.settings, trial=trial)
    context, verdicts, blocked = _evaluate(Context(inputs, state))
    stage = blocked.name if blocked else _DONE if inputs.verdict.settings is not None else _INFORMING
    since = context.state.since if context.state.stage == stage and context.state.since else inputs.now
    if blocked:
        returned = context.state.trial.returned
        # A wave that was returned waits for its next try: that is no lack of progress.
        tried = max(since, returned.at) if returned else since
        verdicts[stage] = _stalled(verdicts[stage], blocked, tried, inputs.now)
        verdicts[_DONE] = Verdict(conditions.FALSE, stage, verdicts[stage].message)
    told = [*verdicts.items(), *informing.verdicts(context)]
    merged = conditions.merge(context.state.conditions, told, inputs.now)
    switches = history.record(before, context, stage=stage, at_rest=blocked is None)
    context = context.with_state(
        replace(
            context.state,
            wave=context.wave_reached,
            stage=stage,
            since=since,
            conditions=tuple(merged),
            history=switches,
        )
    )
    return Outcome(
        state=context.state,
        gateway=context.render_gateway(),
        node_route=context.render_node_route(),
        proof=pull_proof.render(context) if stage == pull_proof.STAGE or pull_proof.is_under_way(context) else {},
        platform_patch=_platform_patch(context, blocked),
    )


def _evaluate(context: Context) -> tuple[Context, dict[str, Verdict], Stage | None]:
    """Walk the table until nothing changes; a row that changed the state is judged by what the change asks for."""
    for _ in range(len(STAGES) * 2):
        verdicts: dict[str, Verdict] = {}
        blocked: Stage | None = None
        for stage in STAGES:
            entered = stage.enter(context)
            if blocked is None and entered != context.state:
                context = context.with_state(entered)
                break  # from the top: earlier rows may have to wait for the change
            verdict = stage.check(context)
            if blocked is not None and (entered != context.state or not verdict.ok):
                verdict = conditions.unknown("Waiting", f"Waits for {blocked.name}.")
            verdicts[stage.name] = verdict
            if blocked is None and not verdict.ok and stage.name not in (_INFORMING, _DONE):
                blocked = stage
        else:
            return context, verdicts, blocked
    raise AssertionError("the stage table does not settle")


def _stalled(verdict: Verdict, stage: Stage, since: str, now: str) -> Verdict:
    waited = dt.datetime.strptime(now, FORMAT) - dt.datetime.strptime(since, FORMAT)
    if not stage.limit or waited.total_seconds() < stage.limit:
        return verdict
    message = f"No progress for more than {stage.limit // 60} minutes ({verdict.reason}). {verdict.message}"
    return replace(verdict, reason=STALLED, message=message)


def _platform_patch(context: Context, blocked: Stage | None) -> dict[str, Any] | None:
    """The patch of deckhouse-registry, exactly while the switch stands at that stage."""
    wanted, registry = context.wanted_registry, context.facts.registry
    if blocked is None or blocked.name != "PlatformSwitched" or wanted is None or registry is None:
        return None
    return None if wanted.same_as(registry) else platform_secret.patch(wanted)
