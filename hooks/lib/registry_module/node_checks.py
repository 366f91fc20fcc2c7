"""Have the nodes followed? The checks of the two stages that concern their routes."""

from __future__ import annotations

from dataclasses import replace

from . import wave_return, waves
from .checks import listing
from .conditions import Verdict, passed, waiting
from .context import Context
from .facts import Nodes
from .node_route import APPLY
from .trial import Returned, later


def nodes_prepared(context: Context) -> Verdict:
    if not context.managed:
        if context.state.nodes != APPLY:
            return passed("NotNeeded", "Nodes keep their present route until nothing uses it.")
        if context.target is None or not context.facts.in_use:
            return _nodes_have_reported(context)
        return _nodes_at_version(context, f"reach {context.target.host}, the registry to return to")
    if context.state.trial.returned is not None:
        return _wave_returned(context, context.state.trial.returned)
    if wave_return.is_removing(context):
        return _nodes_clean(context)
    if context.had_both:
        return passed("NodesHadBoth", "Nodes had the new route before the platform was switched; see NodesFinalized.")
    verdict, due = _nodes_at_version(context), wave_return.due(context)
    if not due or verdict.ok:
        return verdict
    return replace(verdict, message=f"{verdict.message} If it lasts, the wave is returned at {due}.")


def _wave_returned(context: Context, returned: Returned) -> Verdict:
    nodes, route = context.facts.nodes, context.route()
    wanted = route["version"] if route["action"] == APPLY else ""
    left = sum(group.ready for group in nodes.groups if group.version != wanted)
    behind = sorted(name for group in nodes.groups if group.version != wanted for name in group.names)
    before = "the route they had before" if wanted else "none, as before"
    waits = f"; waiting for {listing(behind, left)}" if left else ""
    return waiting(
        "WaveReturned",
        f"The new route was taken back at {returned.at}, it failed for {wave_return.AFTER // 60} minutes "
        f"({returned.wave}). Nodes get {before}{waits}. It failed on {returned.why}. Repair what that says, and change "
        "the settings if they are wrong: they are followed at once. Without a change it is tried again at "
        f"{later(returned.at, wave_return.AGAIN)}.",
    )


def _nodes_have_reported(context: Context) -> Verdict:
    """A node that was told to take a route and has said nothing may be at it; told to give it up, it looks clean."""
    nodes, wave = context.facts.nodes, context.wave
    left = waves.silent(nodes, wave)
    if left:
        names = (name for group in nodes.groups if not group.version for name in group.names)
        silent = sorted(name for name in names if waves.includes(nodes, wave, name))
        return waiting(
            "NodesUpdating",
            f"Nothing uses the route, and it is removed once every Ready node that was told to take it has done so. "
            f"Waiting for {listing(silent, left)}. On a node that stays behind: journalctl -u bashible",
        )
    return passed("NodesUpdated", "Every Ready node has answered; the route can be removed.")


def _nodes_at_version(context: Context, proof: str = "pull by the new route") -> Verdict:
    nodes, wanted = context.facts.nodes, context.route().get("version", "")
    done = sum(g.ready for g in nodes.groups if g.version == wanted and g.canary == "passed")
    absent = f" Not Ready, will follow: {listing(nodes.not_ready, nodes.not_ready_count)}." if nodes.not_ready else ""
    if nodes.ready and done == nodes.ready:
        return passed("NodesUpdated", f"{done} of {nodes.ready} Ready nodes {proof}.{absent}")
    failed = sum(g.ready for g in nodes.groups if g.version == wanted and g.canary == "failed")
    progress = f"{done} of {nodes.ready} Ready nodes {proof}; all others keep a working one."
    wave = context.wave
    if wave != waves.ALL:
        label = waves.label(context.settings.waves, wave)
        progress += f" {label.capitalize()}; the next one begins when all of it do."
    if failed:
        errors = (f"{name}: {error}" for name, error in nodes.failures)
        return waiting("CanaryFailed", f"{progress} It fails on {listing(errors, len(nodes.failures))}.{absent}")
    behind = [n for g in nodes.groups if not (g.version == wanted and g.canary == "passed") for n in g.names]
    hint = "On a node that stays behind: journalctl -u bashible; /var/lib/registry-route/registry-route show"
    behind = sorted(name for name in behind if waves.includes(nodes, wave, name))
    return waiting(
        "NodesUpdating", f"{progress} Waiting for {listing(behind, _left(nodes, wanted, wave))}. {hint}.{absent}"
    )


def _left(nodes: Nodes, wanted: str, wave: waves.Wave) -> int:
    """How many Ready nodes of the wave are waited for."""
    if wave == waves.ALL:
        return nodes.ready - sum(g.ready for g in nodes.groups if g.version == wanted and g.canary == "passed")
    return waves.waited_for(nodes, wanted, wave)


def nodes_finalized(context: Context) -> Verdict:
    if context.idle and not context.state.nodes:
        return passed("NotNeeded")
    if context.managed:
        return _nodes_at_version(context)
    return _nodes_clean(context)


def _nodes_clean(context: Context) -> Verdict:
    nodes = context.facts.nodes
    behind = sorted(name for group in nodes.groups if group.version for name in group.names)
    left = sum(group.ready for group in nodes.groups if group.version)
    if left:
        return waiting("NodesCleaning", f"Waiting for {listing(behind, left)} to remove the node route.")
    return passed("NodesClean", "No Ready node has a node route of this module.")
