"""Metrics of hooks and of the operator itself; grouped series vanish with the next batch (hook contract, section 7)."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_ACTIONS = ("set", "add", "observe", "expire")

_Key = tuple[str, tuple[tuple[str, str], ...]]


class MetricError(Exception):
    """A metric line is not understood."""


@dataclass
class Series:
    """One time series. A histogram (`observe`) keeps its observations; its value is their sum."""

    name: str
    labels: dict[str, str]
    kind: str
    group: str = ""
    value: float = 0.0
    observed: list[float] = field(default_factory=list)
    buckets: tuple[float, ...] = ()


class Metrics:
    """Every series the operator would serve to Prometheus."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[_Key, Series] = {}

    def send(self, batch: Sequence[Mapping[str, Any]], **labels: str) -> None:
        """Apply one run's lines, with `labels` added to each. Raises MetricError before anything is changed."""
        operations = [_checked(line) for line in batch]
        with self._lock:
            groups = {line["group"] for line in operations if line["group"]}
            self._series = {key: series for key, series in self._series.items() if series.group not in groups}
            for line in operations:
                if line["action"] != "expire":
                    self._apply(line, {**line["labels"], **labels})

    def increment(self, name: str, **labels: str) -> None:
        """Add 1 to a counter of the operator's own."""
        self.send([{"name": name, "action": "add", "value": 1}], **labels)

    def _apply(self, line: Mapping[str, Any], labels: dict[str, str]) -> None:
        key = (line["name"], tuple(sorted(labels.items())))
        kind = {"set": "gauge", "add": "counter", "observe": "histogram"}[line["action"]]
        series = self._series.setdefault(key, Series(line["name"], labels, kind, line["group"]))
        if line["action"] == "set":
            series.value = line["value"]
        else:
            series.value += line["value"]
        if line["action"] == "observe":
            series.observed.append(line["value"])
            series.buckets = tuple(line["buckets"])

    def series(self, name: str | None = None, **labels: str) -> list[Series]:
        """Series of a name (or all) that carry these labels, sorted."""
        with self._lock:
            found = [self._series[key] for key in sorted(self._series)]
        return [s for s in found if name in (None, s.name) and labels.items() <= s.labels.items()]

    def value(self, name: str, **labels: str) -> float | None:
        """The value of the one series that matches; None when there is none. Raises LookupError for several."""
        found = self.series(name, **labels)
        if len(found) > 1:
            raise LookupError(f"{len(found)} series match {name} {labels}")
        return found[0].value if found else None

    def render(self) -> str:
        """Prometheus text format."""
        lines: list[str] = []
        named = ""
        for series in self.series():
            if series.name != named:
                named = series.name
                lines.append(f"# TYPE {named} {series.kind}")
            lines += _samples(series)
        return "\n".join([*lines, ""])


def _checked(line: Mapping[str, Any]) -> dict[str, Any]:
    action = line.get("action")
    value = line.get("value")
    for short in ("set", "add"):  # the old form {"name": …, "set": 1}
        if action is None and short in line:
            action, value = short, line[short]
    group = line.get("group", "")
    if action not in _ACTIONS:
        raise MetricError(f"metric {line.get('name')!r}: action must be one of {', '.join(_ACTIONS)}")
    if action == "expire":
        if not group:
            raise MetricError("metric: expire needs a group")
        return {"action": action, "group": group, "labels": {}}
    if not isinstance(line.get("name"), str) or not line["name"]:
        raise MetricError("metric: name is required")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MetricError(f"metric {line['name']!r}: value must be a number")
    if action == "observe" and not line.get("buckets"):
        raise MetricError(f"metric {line['name']!r}: observe needs buckets")
    labels = {str(key): str(text) for key, text in (line.get("labels") or {}).items()}
    buckets = line.get("buckets") or []
    return {**line, "action": action, "value": float(value), "group": group, "labels": labels, "buckets": buckets}


def _samples(series: Series) -> Iterator[str]:
    if series.kind != "histogram":
        yield f"{series.name}{_labels(series.labels)} {series.value:g}"
        return
    for bound in (*series.buckets, float("inf")):
        label = "+Inf" if bound == float("inf") else f"{bound:g}"
        count = sum(1 for value in series.observed if value <= bound)
        yield f"{series.name}_bucket{_labels({**series.labels, 'le': label})} {count}"
    yield f"{series.name}_sum{_labels(series.labels)} {series.value:g}"
    yield f"{series.name}_count{_labels(series.labels)} {len(series.observed)}"


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {k: v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for k, v in sorted(labels.items())}
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped.items()) + "}" if labels else ""
