"""`/livez`, `/readyz` and `/metrics` on the loopback address, and the metrics of the parent itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from registry_gateway.store_metrics import StoreMetrics


@dataclass(frozen=True, slots=True)
class Health:
    """A moment's view. It is ready when nothing is in `obstacles`; upstreams are shown and hold nothing up."""

    obstacles: Sequence[str]
    upstreams: Sequence[dict[str, Any]] = field(default_factory=tuple)


def server(view: Callable[[], Health], render_metrics: Callable[[], bytes]) -> web.Server:
    """The HTTP server; the caller gives it a socket."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/livez":
            return web.Response(text="ok\n")  # this loop answers: that is what it claims
        if request.path == "/readyz":
            seen = view()
            body = {"ready": not seen.obstacles, "obstacles": list(seen.obstacles), "upstreams": list(seen.upstreams)}
            return web.json_response(body, status=503 if seen.obstacles else 200)
        if request.path == "/metrics":
            return web.Response(body=render_metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})
        return web.Response(status=404, text="try /livez, /readyz or /metrics\n")

    return web.Server(handle, access_log=None)


class ParentMetrics:
    """What only the parent knows, beside the sum of what the workers count below `folder`."""

    def __init__(self, folder: str) -> None:
        self._registry = CollectorRegistry()
        MultiProcessCollector(self._registry, path=folder)  # type: ignore[no-untyped-call] # ships half its types
        self._store = StoreMetrics()
        self._registry.register(self._store)
        self._up = self._gauge("registry_upstream_up", "1 when the registry answers as one.", ("upstream",))
        self._valid = self._gauge("registry_credentials_valid", "1 when it takes the credentials.", ("upstream",))
        self._images = {
            word: self._gauge(f"registry_images_{word}", f"Images {word} at the checked upstream.")
            for word in ("expected", "present", "missing")
        }
        self._not_after = self._gauge("registry_tls_cert_not_after_timestamp", "End of the serving certificate.")
        self._info = self._gauge("registry_gateway_config_info", "The configuration in force.", ("version",))
        self._refused = self._gauge("registry_gateway_config_refused", "1 while a newer configuration is refused.")
        self._workers = self._gauge("registry_gateway_workers_serving", "Workers that have a configuration in force.")

    def update(self, status: dict[str, Any], *, not_after: float | None, serving: int) -> None:
        """Show `status` (of RegistryReplica). What is unknown has no series: a zero would raise alarms."""
        for gauge in (self._up, self._valid, self._info):
            gauge.clear()
        for upstream in status["upstreams"]:
            reason = upstream["reason"]
            self._up.labels(upstream["host"]).set(reason not in ("Unreachable", "TLSFailed", "NotARegistry"))
            if reason in ("", "Unauthorized", "Forbidden"):
                self._valid.labels(upstream["host"]).set(reason == "")
        check = status["check"]
        if check:
            self._images["expected"].set(check["total"])
            self._images["present"].set(check["present"])
            self._images["missing"].set(check["errorCount"])
        self._store.status = status["store"]
        if not_after is not None:
            self._not_after.set(not_after)
        if status["configVersion"]:
            self._info.labels(status["configVersion"]).set(1)
        self._refused.set(bool(status["configError"]))
        self._workers.set(serving)

    def render(self) -> bytes:
        """The text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)
