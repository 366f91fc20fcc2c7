"""Is a stage passed? Each function looks at facts and the desired state, and says what to do when the answer is no."""

from __future__ import annotations

from typing import Iterable

from . import names
from .conditions import Verdict, passed, waiting
from .context import Context

_IMAGE_REASONS = {
    "Unreachable": "RegistryUnreachable",
    "TLSFailed": "CertificateNotTrusted",
    "Unauthorized": "CredentialsRefused",
    "Forbidden": "AccessForbidden",
    "NotFound": "ImagesMissing",
    "NotARegistry": "NotARegistry",
}
_UNTOUCHED = "Nothing is touched."


def listing(items: Iterable[str], total: int | None = None) -> str:
    """`a, b and 3 more`, at most ten named."""
    shown = list(items)[: names.MAX_NAMES]
    more = (total or 0) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def settings_valid(context: Context) -> Verdict:
    verdict = context.inputs.verdict
    if verdict.settings is not None:
        return passed("Valid")
    in_force = f"Until then the last valid settings (mode {context.settings.mode}) stay in force."
    errors = "; ".join(str(error) for error in verdict.errors)
    return waiting(verdict.reason, f"{errors}. Correct ModuleConfig registry. {in_force}")


def runtime_supported(context: Context) -> Verdict:
    if not context.managed:
        return passed("NotNeeded")
    facts = context.facts
    if not facts.known:
        return waiting("FactsMissing", f"Nodes and platform have not been discovered yet. {_UNTOUCHED}")
    if facts.embedded:
        return waiting(
            "EmbeddedModulePresent",
            f"The platform's own registry module owns the address (seen: {listing(facts.embedded)}). This module "
            "stands aside: set mode Unmanaged here and use ModuleConfig deckhouse, settings.registry.",
        )
    if facts.registry is None:
        message = f"Secret {names.NAMESPACE}/{names.PLATFORM_SECRET} is missing or has no address. {_UNTOUCHED}"
        return waiting("RegistrySecretMissing", message)
    if facts.nodes.unsupported_count:
        nodes = (f"{name} ({runtime})" for name, runtime in facts.nodes.unsupported)
        return waiting(
            "RuntimeNotSupported",
            f"Mode {context.settings.mode} needs containerd on every node; other runtimes: "
            f"{listing(nodes, facts.nodes.unsupported_count)}. Set cri.type Containerd or ContainerdV2 in their "
            f"NodeGroup or remove the nodes. {_UNTOUCHED}",
        )
    return passed("Supported", _others(context))


def _others(context: Context) -> str:
    """That somebody else has configured registries of containerd on nodes: theirs to keep."""
    nodes = context.facts.nodes
    if not nodes.foreign_count:
        return ""
    named = (f"{name} ({', '.join(entries)})" for name, entries in nodes.foreign)
    return (
        "Registries of containerd that others have configured are left alone, on "
        f"{listing(named, nodes.foreign_count)} (names below /etc/containerd)."
    )


def gateway_ready(context: Context) -> Verdict:
    if context.idle or context.returned:
        return passed("NotNeeded")
    wanted = context.render_gateway().get("version", "")
    replicas = context.live_replicas()
    if not replicas:
        return waiting("NoControlPlane", "No control-plane node is Ready.")
    refused = [f"{node}: {replica.config_error}" for node, replica in replicas if replica.config_error]
    if refused:
        return waiting("ConfigRefused", f"Gateways keep their previous configuration: {listing(refused)}.")
    behind = [node for node, r in replicas if not (r.pod_ready and r.config_version == wanted)]
    if behind:
        return waiting(
            "GatewaysUpdating",
            f"Waiting for pod {names.GATEWAY_APP} on {listing(behind)} to be Ready and to load the new "
            f"configuration. If it lasts: kubectl -n {names.NAMESPACE} get pods -l app={names.GATEWAY_APP} -o wide"
            + ("; a pod that cannot mount its volume needs another storage.path" if context.state.store else ""),
        )
    # A store that is on its way out holds nothing up.
    if context.store is not None and context.store == context.state.store:
        unusable = [f"{node}: {replica.store_error}" for node, replica in replicas if replica.store_error]
        if unusable:
            return waiting(
                "StoreUnusable",
                f"Gateways cannot use their store: {listing(unusable)}. Pulls go on where a registry is behind them. "
                "Look at the disk of these nodes and at storage.path.",
            )
    return passed("GatewaysReady", f"{len(replicas)} of {len(replicas)} gateways have loaded the configuration.")


def images_available(context: Context) -> Verdict:
    if context.idle or context.returned:
        return passed("NotNeeded")
    target = context.target
    if target is None and not context.local:
        return waiting(
            "ReturnRegistryUnknown",
            "The registry to go back to is not known. Set mode Direct with its address, or write it to Secret "
            f"{names.NAMESPACE}/{names.PLATFORM_SECRET} yourself.",
        )
    if not context.expected_images:
        return waiting("ImagesUnknown", "No expected image is known: Deployment d8-system/deckhouse was not found.")
    wanted, replicas = context.check_version, context.live_replicas()
    for _, replica in replicas:
        check = replica.check
        if check.version == wanted and check.error_count:
            image, reason, message = check.errors[0] if check.errors else ("", "UpstreamError", "no details")
            others = f" {check.error_count - 1} more images failed too." if check.error_count > 1 else ""
            return waiting(
                _IMAGE_REASONS.get(reason, "UpstreamError"),
                f"Image {image} at {context.place}, asked from {replica.node}: {message.rstrip('.')}.{others} "
                "The present route stays in use; correct the settings or the registry.",
            )
    unfinished = [n for n, r in replicas if r.check.version != wanted or not r.check.complete]
    if unfinished or not replicas:
        total = len(context.expected_images)
        return waiting("Checking", f"{listing(unfinished)} still checking {total} images at {context.place}.")
    return passed("ImagesPresent", f"All {len(context.expected_images)} expected images are at {context.place}.")


def platform_switched(context: Context) -> Verdict:
    if context.idle:
        return passed("NotNeeded")
    facts, wanted = context.facts, context.wanted_registry
    secret = f"Secret {names.NAMESPACE}/{names.PLATFORM_SECRET}"
    if wanted is None or facts.registry is None:
        return waiting("RegistrySecretMissing", f"{secret} is missing.")
    if not wanted.same_as(facts.registry):
        return waiting("SecretUpdating", f"{secret} is being set to {wanted.base}.")
    if not wanted.rendered_as(facts.rendered):
        return waiting("DeckhouseUpdating", f"Deckhouse has not taken over {secret} yet (queue: d8 system queue main).")
    leader = facts.leader
    if not leader.ready or (facts.rendered_hash and leader.version != facts.rendered_hash):
        return waiting(
            "DeckhouseRestarting",
            f"Waiting for the Deckhouse leader pod {leader.name or '(none)'} to run with {wanted.base} and be Ready. "
            f"If it lasts: kubectl -n {names.NAMESPACE} describe pod -l app=deckhouse; on the node of that pod: "
            f"/var/lib/registry-route/registry-route show.{_way_back(context)}",
        )
    return passed("Switched", f"Deckhouse runs with {wanted.base}.")


def _way_back(context: Context) -> str:
    """The command that works while Deckhouse is down; there is none on the way back itself."""
    if not context.managed or context.return_registry is None:
        return ""
    return f" To return to {context.return_registry.base} while Deckhouse is down: registry-plan rollback."


def drained(context: Context) -> Verdict:
    if context.managed or context.idle:
        return passed("NotNeeded")
    if context.facts.pods_count:
        return waiting(
            "PodsUseAddress",
            f"{context.facts.pods_count} pods still reference {names.VIRTUAL_HOST}: "
            f"{listing(context.facts.pods, context.facts.pods_count)}. Gateways and node routes stay until these pods "
            "are replaced; give your own workloads another image address.",
        )
    return passed("Drained", f"No pod references {names.VIRTUAL_HOST}.")


def ready(context: Context) -> Verdict:
    if context.inputs.verdict.settings is None:
        return waiting(
            "SettingsInvalid", "See condition SettingsValid; everything else is as the last valid settings say."
        )
    if not context.managed:
        return passed("Unmanaged", "The platform's own registry settings are in use.")
    return passed("Serving", f"{names.VIRTUAL_BASE} is served by {context.place} ({context.settings.mode}).")
