"""What nodes get: `route.conf` and CA files, without any credential (contract "node route")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

from . import fingerprint, names
from .upstream import Upstream

APPLY = "apply"
REMOVE = "remove"


@dataclass(frozen=True)
class NodeRoute:
    """Inputs of one node configuration. `routes` newest first; `gateways` are IPs of control-plane nodes.

    `gateways_first`: upstreams are only asked where no gateway helps.
    `back`: the registry that the way back leads to. Nodes prove that they reach it before anything is switched to it.
    """

    action: str
    routes: tuple[Upstream, ...] = ()
    gateways: tuple[str, ...] = ()
    ca_bundle: str = ""
    canary_control_plane: str = ""
    canary_worker: str = ""
    gateways_first: bool = False
    back: Upstream | None = None


def render(route: NodeRoute) -> dict[str, Any]:
    """The `internal.nodeRoute` subtree: {version, action, conf, files: [{name, content}]}."""
    files: list[dict[str, str]] = []
    lines = ["action " + route.action]
    if route.action == APPLY:
        lines += ["host " + names.VIRTUAL_HOST, "alias " + names.ALIAS]
        for role, image in (("control-plane", route.canary_control_plane), ("worker", route.canary_worker)):
            if image:
                lines.append(f"canary {role} {image}")
        if route.gateways_first and route.routes:
            lines.append("first gateways")
        files.append({"name": "ca/gateway.crt", "content": route.ca_bundle})
        lines += [
            _upstream("upstream", upstream, f"upstream-{number}", files)
            for number, upstream in enumerate(route.routes, 1)
        ]
        if route.back is not None:
            lines.append(_upstream("return", route.back, "return", files))
        lines += [f"gateway {_literal(address)}:{names.GATEWAY_PORT}" for address in sorted(route.gateways)]
    version = fingerprint.public([lines, files])
    conf = "".join(line + "\n" for line in ["version " + version, *lines])
    return {"version": version, "action": route.action, "conf": conf, "files": files}


def _upstream(word: str, upstream: Upstream, file: str, files: list[dict[str, str]]) -> str:
    ca = "-"
    if upstream.ca:
        ca = f"ca/{file}.crt"
        files.append({"name": ca, "content": upstream.ca})
    return "{} {} {} {} {}".format(word, upstream.scheme, upstream.host, upstream.path or "-", ca)


def _literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def canary(images: Sequence[tuple[str, str]], preferred: Sequence[str]) -> str:
    """The virtual reference of the first preferred image that is expected, else of the first one, else ""."""
    by_name = dict(images)
    name = next((label for label in preferred if label in by_name), images[0][0] if images else "")
    if not name:
        return ""
    reference = by_name[name]
    return names.VIRTUAL_BASE + ("@" if reference.startswith("sha256:") else ":") + reference
