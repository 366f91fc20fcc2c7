"""Objects of a cluster → inputs and state of the switch, by the hooks' own filters and functions."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import yaml

from lib.registry_module import context, encoding, facts, names, settings, snapshots, state, switch, users
from tools.review import dump

from . import ROOT
from .errors import PlanError
from .kubectl import Kubectl

DISCOVERY = ("discover_nodes", "discover_platform", "discover_pods", "discover_replicas")
MADE_BEFORE = ("issue_certificates", "keep_users")
"""What the operator makes before the switch: what exists is kept, what does not is made, and used for nothing here."""
MODULE_CONFIG = {
    "name": "config",
    "apiVersion": "deckhouse.io/v1alpha1",
    "kind": "ModuleConfig",
    "nameSelector": {"matchNames": [snapshots.MODULE]},
    "jqFilter": ".spec.settings",
}
CLUSTER_CONFIGURATION = {
    "name": "cluster",
    "apiVersion": "v1",
    "kind": "Secret",
    "nameSelector": {"matchNames": ["d8-cluster-configuration"]},
    "namespace": {"nameSelector": {"matchNames": ["kube-system"]}},
    "jqFilter": '.data["cluster-configuration.yaml"]',
}
SALT = "0" * 32
"""Stands for what is made at random when the first switch begins. Versions cover it; nothing else shows it."""


@dataclass(frozen=True)
class Seen:
    """What the cluster shows. `rows`: every Node, as hook discover_nodes filters it."""

    inputs: context.Inputs
    state: state.State
    rows: tuple[dict[str, Any], ...]
    modules_known: bool
    """Which images modules have."""


def hook(name: str) -> ModuleType:
    """A hook file as a module; it does not run."""
    spec = importlib.util.spec_from_file_location(f"plan_{name}", ROOT / "hooks" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise PlanError(f"hooks/{name}.py is missing: use the whole repository")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bindings(name: str) -> list[dict[str, Any]]:
    """Which objects a hook looks at."""
    return list(json.loads(hook(name).CONFIG).get("kubernetes", []))


def read(cluster: Kubectl) -> list[dump.Object]:
    """Dump all that the hooks look at: the same objects as in a folder of facts."""
    wanted = [binding for name in (*DISCOVERY, *MADE_BEFORE, "switch_mode") for binding in bindings(name)]
    wanted += [MODULE_CONFIG, CLUSTER_CONFIGURATION]
    found = {_identity(item): item for binding in wanted for item in cluster.get(binding)}
    return list(found.values())


def _identity(item: dump.Object) -> tuple[str, ...]:
    metadata = item["metadata"]
    return item["apiVersion"], item["kind"], metadata.get("namespace", ""), metadata["name"]


def observe(objects: list[dump.Object], config: dict[str, Any] | None = None) -> Seen:
    """Inputs with the settings of `config`, a ModuleConfig; by default of the one among the objects, if any."""
    given = _settings(config) if config else _only(objects, MODULE_CONFIG)
    switch_hook, found = hook("switch_mode"), _snapshots(objects, "switch_mode")
    kept, serving = (switch_hook.text_of(found, binding) for binding in ("state", "gateway"))
    present = state.recall({}, kept, serving, salt=SALT)
    verdict = _verdict(given, present)
    mode = verdict.settings.mode if verdict.settings else names.UNMANAGED
    internal: dict[str, Any] = {"facts": {}}
    for name in (*DISCOVERY, *MADE_BEFORE):
        values = {"registry": {"mode": mode, "internal": internal}}
        hook(name).main(SimpleNamespace(snapshots=_snapshots(objects, name), values=values))
    accounts, known = internal.get("users") or {}, internal["facts"]
    now, found_facts = dt.datetime.now(dt.UTC), facts.parse(known, _global_values(objects, known, serving))
    inputs = context.Inputs(
        verdict=verdict,
        facts=found_facts,
        pki=internal.get("pki") or {},
        pull_login=users.pull_login(accounts),
        gateway_users=tuple(users.for_gateway(accounts, now=now, in_use=found_facts.login)),
        now=now.strftime(switch.FORMAT),
    )
    rows = snapshots.results(_snapshots(objects, "discover_nodes"), "nodes")
    return Seen(inputs, present, tuple(rows), bool(inputs.facts.digests))


def _verdict(given: dict[str, Any] | None, present: state.State) -> settings.Verdict:
    if given is not None:
        return settings.parse(given)
    return settings.Verdict(present.settings) if present.settings else settings.parse({})


def _snapshots(objects: list[dump.Object], name: str) -> dict[str, Any]:
    return {binding["name"]: dump.snapshot(objects, binding) for binding in bindings(name)}


def _only(objects: list[dump.Object], binding: dict[str, Any]) -> Any:
    """The filter result of the only object of a binding, or None."""
    return next((item["filterResult"] for item in dump.snapshot(objects, binding)), None)


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    if config.get("kind") != "ModuleConfig" or config.get("metadata", {}).get("name") != snapshots.MODULE:
        raise PlanError("the configuration is not a ModuleConfig with the name registry")
    return dict((config.get("spec") or {}).get("settings") or {})


def _global_values(objects: list[dump.Object], known: dict[str, Any], serving: str) -> dict[str, Any]:
    """`global` of a dump (kind Values). A live cluster does not show it: Deckhouse then counts as having taken over its
    Secret, and the images of modules are those that the gateways were told to look for last.
    """
    for item in objects:
        if item["kind"] == "Values":
            return dict(item.get("global") or {})
    platform = known["platform"]
    registry = platform["registry"]
    if not registry:
        return {}
    rendered = {
        "address": registry["address"],
        "path": registry["path"],
        "scheme": registry["scheme"],
        "CA": registry["ca"],
        "dockercfg": encoding.encode(registry["dockerconfig"]),
        "hash": platform["leader"].get("version", ""),
    }
    images = {"registry": rendered, "digests": _digests(serving)}
    return {"modulesImages": images, "clusterConfiguration": _cluster_configuration(objects)}


def _cluster_configuration(objects: list[dump.Object]) -> Any:
    try:
        return yaml.safe_load(encoding.decode(_only(objects, CLUSTER_CONFIGURATION)))
    except yaml.YAMLError:
        raise PlanError("Secret kube-system/d8-cluster-configuration does not hold YAML") from None


def _digests(serving: str) -> dict[str, dict[str, str]]:
    try:
        images = json.loads(serving)["check"]["images"]
        labelled = [(*str(image["name"]).split("/", 1), str(image["reference"])) for image in images]
    except (ValueError, KeyError, TypeError):
        return {}
    digests: dict[str, dict[str, str]] = {}
    for module, image, reference in (each for each in labelled if len(each) == 3):
        if reference.startswith("sha256:") and module != "deckhouse":
            digests.setdefault(module, {})[image] = reference
    return digests


def row_of(seen: Seen, name: str) -> dict[str, Any]:
    """The row of one node. Raises PlanError when there is no such node."""
    for row in seen.rows:
        if row["name"] == name:
            return row
    raise PlanError(f"there is no node {name}; {len(seen.rows)} others are known")
