"""Binding configuration v1: what a hook answers to `--config`, checked and turned into data (contract, section 5)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jq
import yaml
from jsonschema import Draft4Validator

from .binding_schema import LIFE_CYCLE, NOT_SERVED, SCHEMA
from .schedule import check_crontab

_VALIDATOR = Draft4Validator(SCHEMA)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class BindingConfigError(ValueError):
    """The configuration cannot be loaded; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Binding:
    """What schedule and kubernetes bindings have in common."""

    name: str
    allow_failure: bool
    include_snapshots: tuple[str, ...]
    queue: str
    group: str


@dataclass(frozen=True, kw_only=True)
class ScheduleBinding(Binding):
    """One entry of `schedule`."""

    crontab: str


@dataclass(frozen=True, kw_only=True)
class KubernetesBinding(Binding):
    """One entry of `kubernetes`. None in a selector means: everything."""

    kind: str
    api_version: str | None
    events: frozenset[str]
    on_synchronization: bool
    wait_for_synchronization: bool
    keep_full_objects: bool
    jq_filter: str
    names: tuple[str, ...] | None
    label_selector: Mapping[str, Any] | None
    field_selector: Mapping[str, Any] | None
    namespaces: tuple[str, ...] | None
    namespace_labels: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class HookConfig:
    """All bindings of one hook. `min_interval` is in seconds; 0 means no rate limit."""

    order: Mapping[str, int]
    schedules: tuple[ScheduleBinding, ...] = ()
    kubernetes: tuple[KubernetesBinding, ...] = ()
    min_interval: float = 0.0
    burst: int = 0
    not_served: tuple[str, ...] = field(default=())


def seconds(text: str) -> float:
    """Seconds of a Go duration such as `1m30s`. Raises BindingConfigError."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise BindingConfigError(f"{text!r} is not a duration")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def parse(text: str) -> HookConfig:
    """Parse the YAML or JSON a hook printed for `--config`. Raises BindingConfigError."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BindingConfigError(f"not YAML: {error}") from error
    problems = sorted(_VALIDATOR.iter_errors(raw), key=lambda e: list(map(str, e.absolute_path)))
    if problems:
        places = ["/".join(map(str, e.absolute_path)) or "top level" for e in problems]
        raise BindingConfigError("; ".join(f"{p}: {e.message}" for p, e in zip(places, problems, strict=True)))
    settings = raw.get("settings") or {}
    if settings and settings.keys() != {"executionMinInterval", "executionBurst"}:
        raise BindingConfigError("settings: executionMinInterval and executionBurst go together")
    groups: dict[str, list[str]] = {}
    for item in raw.get("kubernetes", []):
        if item.get("group"):
            groups.setdefault(item["group"], []).append(item.get("name", "kubernetes"))
    config = HookConfig(
        order={name: raw[name] for name in LIFE_CYCLE if name in raw},
        schedules=tuple(_schedule(item, groups) for item in raw.get("schedule", [])),
        kubernetes=tuple(_kubernetes(item, groups) for item in raw.get("kubernetes", [])),
        min_interval=seconds(settings["executionMinInterval"]) if settings else 0.0,
        burst=settings["executionBurst"] if settings else 0,
        not_served=tuple(name for name in NOT_SERVED if name in raw),
    )
    _check_includes(config)
    return config


def _common(item: Mapping[str, Any], groups: Mapping[str, list[str]], default_name: str) -> dict[str, Any]:
    own = list(item.get("includeSnapshotsFrom", []))
    grouped = groups.get(item.get("group", ""), [])
    return {
        "name": item.get("name", default_name),
        "allow_failure": item.get("allowFailure", False),
        "include_snapshots": tuple(dict.fromkeys(own + grouped)),
        "queue": item.get("queue", "main"),
        "group": item.get("group", ""),
    }


def _schedule(item: Mapping[str, Any], groups: Mapping[str, list[str]]) -> ScheduleBinding:
    try:
        check_crontab(item["crontab"])
    except ValueError as error:
        raise BindingConfigError(f"schedule: {error}") from error
    return ScheduleBinding(crontab=item["crontab"], **_common(item, groups, "schedule"))


def _kubernetes(item: Mapping[str, Any], groups: Mapping[str, list[str]]) -> KubernetesBinding:
    jq_filter = item.get("jqFilter", "")
    if jq_filter:
        try:
            jq.compile(jq_filter)
        except ValueError as error:
            raise BindingConfigError(f"kubernetes: jqFilter does not compile: {error}") from error
    namespace = item.get("namespace", {})
    events = item.get("executeHookOnEvent", item.get("watchEvent", ["Added", "Modified", "Deleted"]))
    common = _common(item, groups, "kubernetes")
    return KubernetesBinding(
        kind=item["kind"],
        api_version=item.get("apiVersion"),
        events=frozenset(events),
        on_synchronization=item.get("executeHookOnSynchronization", True),
        # The main queue cannot run past its own task, so only a named queue can opt out.
        wait_for_synchronization=item.get("waitForSynchronization", True) or common["queue"] == "main",
        keep_full_objects=item.get("keepFullObjectsInMemory", True),
        jq_filter=jq_filter,
        names=_names(item.get("nameSelector")),
        label_selector=item.get("labelSelector"),
        field_selector=item.get("fieldSelector"),
        namespaces=_names(namespace.get("nameSelector")),
        namespace_labels=namespace.get("labelSelector"),
        **common,
    )


def _names(selector: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    return tuple(selector["matchNames"]) or None if selector else None


def _check_includes(config: HookConfig) -> None:
    names = [binding.name for binding in config.kubernetes]
    bindings: tuple[Binding, ...] = (*config.schedules, *config.kubernetes)
    for binding in bindings:
        for name in binding.include_snapshots:
            if name not in names:
                raise BindingConfigError(f"includeSnapshotsFrom: there is no kubernetes binding {name!r}")
            if names.count(name) > 1:
                raise BindingConfigError(f"includeSnapshotsFrom: {names.count(name)} bindings are called {name!r}")
