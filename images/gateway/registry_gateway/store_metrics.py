"""Metrics of the store, from the status. What is not known has no series: a zero would raise alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_GAUGES = {
    "registry_store_bytes": "Bytes of content in this replica's store.",
    "registry_store_blobs": "Pieces of content in this replica's store.",
    "registry_store_limit_bytes": "Bytes that the cache may have.",
    "registry_store_disk_free_bytes": "Bytes free on the data directory's disk.",
    "registry_store_full": "1 while less is free than must be: nothing new is stored.",
    "registry_store_failed": "1 while the store cannot be used.",
    "registry_store_fill_missing": "Expected images that are not whole in this replica's store.",
    "registry_store_fill_failed": "Expected images that could not be copied into this replica's store.",
    "registry_store_unneeded_bytes": "Bytes that the next collection would remove.",
}
_COUNTERS = {
    "registry_store_scrub_damaged_total": "Pieces of content that were found damaged or missing.",
    "registry_store_scrub_repaired_total": "Pieces of damaged content that were repaired.",
}


class StoreMetrics(Collector):
    """Shows `status`, which is `status.store` of RegistryReplica or None."""

    def __init__(self) -> None:
        self.status: Mapping[str, Any] | None = None

    def collect(self) -> Iterator[Metric]:
        """The series of now."""
        values = _values(self.status) if self.status else {}
        for name, value in values.items():
            if name in _GAUGES:
                yield GaugeMetricFamily(name, _GAUGES[name], value)
            else:
                yield CounterMetricFamily(name, _COUNTERS[name], value)


def _values(status: Mapping[str, Any]) -> dict[str, float]:
    values: dict[str, float] = {"registry_store_failed": float(bool(status["error"]))}
    if not status["error"] and status["blobs"] + status["free"]:  # it has been looked at
        values |= {
            "registry_store_bytes": status["bytes"],
            "registry_store_blobs": status["blobs"],
            "registry_store_disk_free_bytes": status["free"],
        }
        values["registry_store_full"] = float(status["full"])
    if status["limit"]:
        values["registry_store_limit_bytes"] = status["limit"]
    if fill := status["fill"]:
        values |= {
            "registry_store_fill_missing": fill["total"] - fill["done"],
            "registry_store_fill_failed": fill["failed"],
        }
    if collect := status["collect"]:
        values["registry_store_unneeded_bytes"] = collect["bytes"]
    if scrub := status["scrub"]:
        values |= {
            "registry_store_scrub_damaged_total": scrub["damaged"],
            "registry_store_scrub_repaired_total": scrub["repaired"],
        }
    return values
