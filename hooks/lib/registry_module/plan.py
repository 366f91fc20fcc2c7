"""What a ModuleConfig would do to this cluster: the stages of the real switch, and what each of them changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import checks, plan_changes, waves
from .conditions import TRUE
from .context import Context, Inputs
from .forecast import Moment, roll
from .plan_changes import Change
from .plan_notes import notes
from .settings import Settings, Verdict
from .stage_meaning import MEANING
from .stages import STAGES
from .state import State

_DONE = STAGES[-1].name


@dataclass(frozen=True)
class Step:
    """The switch stands at a stage for a while. `message`: what it waits for. `changes`: made on the way to it."""

    stage: str
    reason: str
    message: str
    changes: tuple[Change, ...] = ()
    restarts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        data = {"stage": self.stage, "reason": self.reason, "message": self.message, "meaning": MEANING[self.stage]}
        changes = [change.to_dict() for change in self.changes]
        return {**data, "changes": changes, "restarts": list(self.restarts)}


@dataclass(frozen=True)
class Plan:
    """A whole switch. `now`: what the real checks say to the real facts. `routes`: of the nodes, in order, with the
    present one at first; each an `internal.nodeRoute` subtree."""

    before: Settings
    after: Settings
    now: Step
    steps: tuple[Step, ...]
    start: Moment
    end: Moment
    notes: tuple[str, ...]
    routes: tuple[dict[str, Any], ...]

    @property
    def stuck(self) -> Step | None:
        """The step that a cluster cannot pass even if it does all it is asked for."""
        last = self.steps[-1]
        passed = any(c["type"] == _DONE and c["status"] == TRUE for c in self.end.outcome.state.conditions)
        return None if passed else last

    @property
    def changes_nothing(self) -> bool:
        return not any(step.changes for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """For machines; no secret is in it."""
        facts, end = self.end.inputs.facts, self.end.context
        return {
            "from": self.before.mode,
            "to": self.after.mode,
            "target": end.place if end.managed else end.target.base if end.target else "",
            "now": self.now.to_dict(),
            "steps": [step.to_dict() for step in self.steps],
            "ready": self.stuck is None,
            "nodes": {
                "total": facts.nodes.total,
                "ready": facts.nodes.ready,
                "touched": facts.nodes.ready if len(self.routes) > 1 else 0,
                "later": list(facts.nodes.not_ready),
                "waves": [
                    {"label": label, "nodes": size}
                    for label, size in waves.sizes(self.start.inputs.facts.nodes, end.settings.waves)
                ],
            },
            "images": {
                "expected": len(end.expected_images) if end.state.gateway else 0,
                "found": _found(self.start.context),
                "bytes": None,  # replicas report none for images that they do not have
            },
            "notes": list(self.notes),
        }


def _found(context: Context) -> int:
    """How many of the images are known to be there now, by the replica that knows least."""
    checks = [replica.check for _, replica in context.live_replicas()]
    return min((check.present if check.version == context.check_version else 0 for check in checks), default=0)


def plan(inputs: Inputs, state: State) -> Plan:
    """Roll the switch forward from what the cluster shows now.

    :param inputs: with the proposed settings in `verdict`
    :param state: the present one
    """
    present = Context(replace(inputs, verdict=Verdict(state.settings)), state)
    moments = roll(inputs, state)
    steps: list[Step] = []
    routes = [present.route()]
    gateway = present.render_gateway()
    for moment in moments:
        step = _step(moment, gateway, routes[-1])
        gateway = moment.outcome.gateway
        if moment.context.route() != routes[-1]:  # a wave that is over changes nothing on any node
            routes.append(moment.context.route())
        if steps and steps[-1].stage == step.stage:
            former = steps.pop()
            changes, restarts = former.changes + step.changes, former.restarts + step.restarts
            step = replace(step, changes=changes, restarts=restarts, message=former.message, reason=former.reason)
        steps.append(step)
    return Plan(
        before=present.settings,
        after=moments[-1].context.settings,
        now=replace(_step(moments[0], {}, {}), changes=(), restarts=()),
        steps=tuple(steps),
        start=moments[0],
        end=moments[-1],
        notes=tuple(notes(present, moments[-1].context)),
        routes=tuple(routes),
    )


def _step(moment: Moment, gateway: dict[str, Any], route: dict[str, Any]) -> Step:
    outcome, facts = moment.outcome, moment.inputs.facts
    condition = next(c for c in outcome.state.conditions if c["type"] == outcome.state.stage)
    changes = [*plan_changes.gateways(gateway, outcome.gateway), *plan_changes.nodes(route, moment.context.route())]
    changes += plan_changes.proof(outcome.proof, facts.nodes.ready)
    restarts = []
    if plan_changes.gateway_pods_roll(gateway, outcome.gateway):
        restarts.append(
            f"Gateway pods restart one after another on {checks.listing(outcome.gateway['replicas'])}: the folder that "
            "they keep content in comes, goes or changes."
        )
    wanted = moment.context.wanted_registry
    if outcome.platform_patch and wanted is not None and facts.registry is not None:
        changes.append(plan_changes.platform(facts.registry, wanted))
        changed = ", ".join(plan_changes.changed_fields(facts.registry, wanted))
        restarts.append(f"Deckhouse restarts: its registry changes ({changed}).")
        if facts.registry.base != wanted.base:
            restarts.append(
                f"Pods of the platform are replaced, module by module: the names of their images begin with "
                f"{wanted.base} instead of {facts.registry.base}."
            )
    return Step(
        outcome.state.stage, str(condition["reason"]), str(condition["message"]), tuple(changes), tuple(restarts)
    )
