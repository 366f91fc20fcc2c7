"""What the workers count. Each worker writes to its own files below PROMETHEUS_MULTIPROC_DIR, which the parent sets
and adds up; without it (in tests) they are ordinary metrics. Labels are bounded: kinds, methods, statuses and
configured hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0)
_KNOWN_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))

requests = Counter(
    "registry_access_requests_total",
    "Requests answered, by what was asked for and the status given.",
    ("method", "kind", "code", "upstream"),
    registry=REGISTRY,
)
sent_bytes = Counter(
    "registry_access_bytes_total",
    "Bytes of bodies sent to clients (out), by the kind of source, and received from those that push (in).",
    ("direction", "source"),
    registry=REGISTRY,
)
first_byte_seconds = Histogram(
    "registry_access_ttfb_seconds", "Time to the first byte.", ("kind",), registry=REGISTRY, buckets=_SECONDS
)
duration_seconds = Histogram(
    "registry_access_duration_seconds", "Time to the last byte.", ("kind",), registry=REGISTRY, buckets=_SECONDS
)
received = sent_bytes.labels("in", "push")
inflight = Gauge(
    "registry_access_inflight_streams", "Bodies being sent now.", registry=REGISTRY, multiprocess_mode="livesum"
)
aborts = Counter(
    "registry_access_stream_aborts_total",
    "Bodies that were not sent to their end, by cause.",
    ("reason",),
    registry=REGISTRY,
)
refused_logins = Counter(
    "registry_access_refused_logins_total",
    "Logins refused: wrong ones, and those not looked at since their address failed too often (limited).",
    ("reason",),
    registry=REGISTRY,
)
refused_streams = Counter(
    "registry_access_refused_streams_total",
    "Bodies not sent since too many were being sent, to the client's address or in total.",
    ("limit",),
    registry=REGISTRY,
)
open_connections = Gauge(
    "registry_access_open_connections", "Connections of clients.", registry=REGISTRY, multiprocess_mode="livesum"
)
closed_connections = Counter(
    "registry_access_closed_connections_total",
    "Connections closed: too many (client, total), no handshake or no request's head in time, nothing taken (stall).",
    ("reason",),
    registry=REGISTRY,
)
failovers = Counter(
    "registry_upstream_failover_total",
    "Requests that an upstream could not answer, by cause.",
    ("upstream", "reason"),
    registry=REGISTRY,
)
token_fetches = Counter(
    "registry_upstream_token_fetch_total",
    "Requests for a token, by result (ok, garbage, unreachable or the status).",
    ("upstream", "result"),
    registry=REGISTRY,
)
resumes = Counter(
    "registry_upstream_resumes_total",
    "Broken bodies that were asked for again from where they broke, by result (ok, refused, unreachable, broken).",
    ("upstream", "result"),
    registry=REGISTRY,
)
acknowledgements = Counter(
    "registry_replicas_acknowledgements_total",
    "Pushes and deletions, by who had them when the client was answered: a majority of the live replicas, this one"
    " alone when no other was live; or not answered for: refused by others, late.",
    ("result",),
    registry=REGISTRY,
)
stale = Counter(
    "registry_store_stale_total",
    "Answers from the store whose upstream could not be asked, by what was asked for.",
    ("kind",),
    registry=REGISTRY,
)
unstored = Counter(
    "registry_store_unstored_total",
    "Content not stored, by cause: full (minFree, or larger than the cache), length (none told), busy (too many fetches"
    " at a time), digest (it was something else), invalid (no manifest of the image spec), error (of the disk).",
    ("reason",),
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True)
class Series:
    """What is counted of requests that are alike."""

    requests: Counter
    duration_seconds: Histogram
    first_byte_seconds: Histogram
    sent_bytes: Counter


@lru_cache(maxsize=1024)  # looking labels up costs as much as counting
def series(method: str, kind: str, status: int, source: str) -> Series:
    """The series of requests by `method` (see `method_label`) for `kind`, answered with `status` from `source`."""
    return Series(
        requests.labels(method, kind, str(status), source),
        duration_seconds.labels(kind),
        first_byte_seconds.labels(kind),
        sent_bytes.labels("out", _kind_of(source)),
    )


def _kind_of(source: str) -> str:
    return "store" if source == "store" else "peer" if source.startswith("peer:") else "upstream"


def method_label(method: str) -> str:
    """`method`, or "other": clients choose it, so it must not make series."""
    return method if method in _KNOWN_METHODS else "other"
