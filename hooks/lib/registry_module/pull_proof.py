"""Proof by the kubelets' own way: before the platform is switched, each runs a pod of a small image from the address.

The test pull of a node's script goes to containerd with a login of the node's own; a pod's image is pulled by the
kubelet with a pull secret, which is the one that all pods of the platform are going to have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import fingerprint, images, names
from .checks import listing
from .conditions import Verdict, passed, waiting
from .context import Context
from .proof_facts import APP, Proof
from .state import State

STAGE = "PullsProved"


def version(context: Context) -> str:
    """Of what is to be proved: another login, other registries of the nodes, or content from gateways.

    New gateways, certificates or releases change nothing of it: they are no switch.
    """
    wanted = context.wanted_registry
    routes = [route.to_dict() for route in context.target_node_routes]
    login = wanted.dockerconfig if wanted else ""
    return fingerprint.keyed(context.state.salt, [login, routes, context.store is not None])


def image(context: Context) -> str:
    """What the pods run; "" when no image is known that is small and does nothing."""
    digest = dict(context.expected_images).get(images.PAUSE, "")
    return f"{names.VIRTUAL_BASE}@{digest}" if digest else ""


def render(context: Context) -> dict[str, Any]:
    """The `internal.proof` subtree."""
    wanted = context.wanted_registry
    login = wanted.dockerconfig if wanted else ""
    return {"version": version(context), "image": image(context), "dockerconfig": login}


def is_under_way(context: Context) -> bool:
    """Whether pods prove this already. They go on when an earlier stage has to be waited for again: in a large cluster
    some node has always just joined, and thousands would begin anew.
    """
    begun = context.managed and context.state.trial.returned is None and context.state.proved != version(context)
    return begun and _found(context) is not None


def note(context: Context) -> State:
    """What is proved is remembered, so that the pods can go; Unmanaged forgets it."""
    state = context.state
    if not context.managed:
        return replace(state, proved="")
    wanted = version(context)
    if state.proved == wanted:
        return state
    # Without a memory of any proof: what the platform pulls by already is no switch.
    registry, found = context.wanted_registry, _found(context)
    in_use = not state.proved and registry is not None and registry.same_as(context.facts.registry)
    if in_use or not image(context) or (found is not None and found.holds):
        return replace(state, proved=wanted)
    return state


def check(context: Context) -> Verdict:
    """Whether the kubelet of every Ready node has pulled; nodes without room for a pod are passed over."""
    if not context.managed:
        return passed("NotNeeded")
    if context.state.proved == version(context):
        return passed("PullsProved", "Kubelets pull by the fixed address with the login that the platform has.")
    found = _found(context) or Proof("", waiting_count=context.facts.nodes.ready)
    progress = (
        f"The kubelets of {found.proved} of {context.facts.nodes.ready} Ready nodes have pulled {image(context)} with "
        "the login that the platform is going to have; nothing uses it yet."
    )
    hint = f"kubectl -n {names.NAMESPACE} describe pod -l app={APP}"
    if found.failed_count:
        errors = listing((f"{name}: {error}" for name, error in found.failed), found.failed_count)
        return waiting(
            "PullFailed",
            f"{progress} It fails on {errors.rstrip('.')}. Correct the login or the registry in the settings, or "
            f"the node; all nodes keep a working route. {hint}",
        )
    where = f" {listing(found.waiting, found.waiting_count)}" if found.waiting else ""
    return waiting("PullsRunning", f"{progress} Waiting for{where or ' pods to start'}. If it lasts: {hint}")


def lags(context: Context) -> dict[str, dict[str, str]]:
    """Nodes that are behind, {name: {reason, message}}, at most ten of each kind."""
    found = _found(context) or Proof("")
    return {
        **{name: {"reason": "PullPending", "message": "runs no pod of the proof yet"} for name in found.waiting},
        **{name: {"reason": "PullFailed", "message": error} for name, error in found.failed},
    }


def _found(context: Context) -> Proof | None:
    wanted = version(context)
    return next((proof for proof in context.facts.proofs if proof.version == wanted), None)
