"""Conditions that are no stages: they tell people something in time, and hold nothing up."""

from __future__ import annotations

from .checks import listing
from .conditions import Verdict, passed, unknown, waiting
from .context import Context

UPSTREAM_AUTHORIZED = "UpstreamAuthorized"
_REFUSALS = {"Unauthorized": "CredentialsRefused", "Forbidden": "AccessForbidden"}
_ADVICE = {
    "CredentialsRefused": "Renew the licence, or correct user and password in ModuleConfig registry",
    "AccessForbidden": "Correct the path in ModuleConfig registry, or the rights of the account",
}


def verdicts(context: Context) -> list[tuple[str, Verdict]]:
    """(type, verdict) of each, in the order of showing."""
    return [(UPSTREAM_AUTHORIZED, upstream_authorized(context))]


def upstream_authorized(context: Context) -> Verdict:
    """Do the registries behind the gateways take the login? They are asked every 30 s, for every image every 5 min."""
    store = context.state.store
    if not context.state.gateway or not (context.state.gateway_routes or context.target or (store and store.fill)):
        return passed("NotNeeded")
    replicas = [(node, replica) for node, replica in context.live_replicas() if replica.config_version]
    refusals: dict[tuple[str, str], list[str]] = {}
    for node, replica in replicas:
        asked = set(replica.refused)
        if context.target and replica.check.version == context.check_version:
            asked |= {(context.target.host, reason) for _, reason, _ in replica.check.errors if reason in _REFUSALS}
        for refusal in sorted(asked):
            refusals.setdefault(refusal, []).append(node)
    if refusals:
        (host, word), nodes = next(iter(refusals.items()))
        reason = _REFUSALS.get(word, "CredentialsRefused")
        others = f" Also: {listing(sorted({other for other, _ in refusals} - {host}))}." if len(refusals) > 1 else ""
        return waiting(
            reason,
            f"{host} refuses what the gateways on {listing(nodes)} ask it for ({word}). {_ADVICE[reason]}. Until then "
            f"images that are not stored elsewhere cannot be pulled.{others}",
        )
    if not replicas:
        return unknown("NotAsked", "No gateway has reported yet.")
    away = sorted({host for _, replica in replicas for host in replica.unreachable})
    if away:
        return unknown("RegistryUnreachable", f"{listing(away)} cannot be reached, so nobody knows about the login.")
    return passed("Authorized")
