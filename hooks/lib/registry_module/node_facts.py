"""Nodes → bounded facts: 5,000 nodes cost what 5 do. Half-filled or hostile objects are counted, never trusted."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any, Iterable

from . import names
from .node_rank import BUCKET, BUCKETS, rank

SUPPORTED_RUNTIME = re.compile(r"containerd://")
MAX_GROUPS = 16
MAX_ERROR = 300
MAX_ENTRY = 100
_VERSION = re.compile(r"[0-9a-f]{1,64}\Z")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")  # RFC 1123 subdomain, as Node names are


def collect(rows: Iterable[Any]) -> dict[str, Any]:
    """Facts of all nodes.

    :param rows: filter results {name, runtime, ready, controlPlane, address, version, report} of every Node
    :return: the `internal.facts.nodes` subtree; equal for equal sets of rows, whatever their order
    """
    nodes = sorted((row for row in rows if _is_node(row)), key=lambda row: str(row["name"]))
    ready = [row for row in nodes if row.get("ready") is True]
    unsupported = [row for row in nodes if not SUPPORTED_RUNTIME.match(str(row.get("runtime") or ""))]
    not_ready = [row for row in nodes if row.get("ready") is not True]
    failures = [(row["name"], _failure(row)) for row in ready if _failure(row)]
    foreign = [(row["name"], entries) for row in nodes if (entries := _foreign(row))]
    return {
        "total": len(nodes),
        "ready": len(ready),
        "notReady": {"count": len(not_ready), "names": _names(not_ready)},
        "unsupported": {
            "count": len(unsupported),
            "nodes": [
                {"name": row["name"], "runtime": one_line(str(row.get("runtime") or "unknown"))}
                for row in unsupported[: names.MAX_NAMES]
            ],
        },
        "controlPlane": [
            {"name": row["name"], "address": row["address"], "ready": row.get("ready") is True}
            for row in nodes
            if _is_master(row)
        ],
        "versions": _groups(nodes),
        "first": _first(ready),
        "failures": {
            "count": len(failures),
            "nodes": [{"name": name, "error": error} for name, error in failures[: names.MAX_NAMES]],
        },
        "foreign": {
            "count": len(foreign),
            "nodes": [{"name": name, "entries": entries} for name, entries in foreign[: names.MAX_NAMES]],
        },
    }


def _is_node(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("name"), str) and bool(_NAME.match(row["name"]))


def _is_master(row: dict[str, Any]) -> bool:
    """A node of the control plane that can have a gateway."""
    return row.get("controlPlane") is True and _is_address(row.get("address"))


def _is_address(text: Any) -> bool:
    # An address ends in a file that a shell on each node reads: nothing but an IP may pass.
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return isinstance(text, str)


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows[: names.MAX_NAMES]]


def _groups(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in nodes:
        groups.setdefault((_version(row), canary_of(row.get("report"))), []).append(row)
    biggest = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:MAX_GROUPS]
    return [
        {
            "version": version,
            "canary": canary,
            "ready": sum(row.get("ready") is True for row in rows),
            "notReady": sum(row.get("ready") is not True for row in rows),
            "names": _names([row for row in rows if row.get("ready") is True]),
            **_spread([row for row in rows if row.get("ready") is True]),
        }
        for (version, canary), rows in sorted(biggest)
    ]


def _spread(ready: list[dict[str, Any]]) -> dict[str, Any]:
    """How many of these Ready nodes are of the control plane, and how many workers have which rank."""
    shares = [0] * BUCKETS
    for row in ready:
        if not _is_master(row):
            shares[rank(row["name"]) // BUCKET] += 1
    return {"controlPlane": sum(map(_is_master, ready)), "shares": shares}


def _first(ready: list[dict[str, Any]]) -> dict[str, str]:
    """The node that tries a route before all others: the Ready worker of the lowest rank, else a master, else {}."""
    rows = sorted(ready, key=lambda row: (_is_master(row), rank(row["name"]), row["name"]))
    if not rows:
        return {}
    return {"name": rows[0]["name"], "version": _version(rows[0]), "canary": canary_of(rows[0].get("report"))}


def _version(row: dict[str, Any]) -> str:
    version = row.get("version")
    return version if isinstance(version, str) and _VERSION.match(version) else ""


def parse_report(text: Any) -> dict[str, Any]:
    """The route report of a node; {} when it is missing or no JSON object."""
    try:
        report = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}


def canary_of(text: Any) -> str:
    """`passed`, `failed` or `unknown`: the verdict of a route report.

    A canary that is not ok and has no error is still being pulled.
    """
    proof = _proof(parse_report(text))
    if not isinstance(proof.get("ok"), bool):
        return "unknown"
    return "passed" if proof["ok"] else "failed" if proof.get("error") else "unknown"


def _proof(report: dict[str, Any]) -> dict[str, Any]:
    """The part that counts: on the way back the registry to return to, whatever the route that is left can still do."""
    proof = report.get("return", report.get("canary"))
    return proof if isinstance(proof, dict) else {}


def _failure(row: dict[str, Any]) -> str:
    report = parse_report(row.get("report"))
    return one_line(str(report.get("error") or _proof(report).get("error") or ""))


def _foreign(row: dict[str, Any]) -> list[str]:
    """What others have configured of containerd's registries on the node: names below /etc/containerd."""
    text = row.get("report")
    entries = parse_report(text).get("foreign") if isinstance(text, str) and '"foreign"' in text else None
    entries = entries if isinstance(entries, list) else []
    return [one_line(entry)[:MAX_ENTRY] for entry in entries if isinstance(entry, str)][: names.MAX_NAMES]


def one_line(text: str) -> str:
    """Any text as one line of at most MAX_ERROR characters."""
    return " ".join(text.split())[:MAX_ERROR]
