"""The Kubernetes API for any apiVersion and kind, over the `kubernetes` client's connection and credentials."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes.client
import kubernetes.config

Params = Mapping[str, str]

_CONNECT_TIMEOUT = 5  # seconds, each
_ANSWER_TIMEOUT = 30
_WATCH_SECONDS = 300
_CONNECTIONS = 64  # a watch holds one for minutes, and every binding has its watch


class ApiError(Exception):
    """The API server refused; `status` is the HTTP code, the text its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Resource:
    """One kind of the API and where it lives."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """URL path of the collection, of one object, or of its subresource."""
        parts = ["", "api" if "/" not in self.api_version else "apis", self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, name, subresource]
        return "/".join(parts).rstrip("/")


class Watch:
    """A running watch: iterate over (type, object); stop() ends the iteration from any thread."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._stopped = False

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        rest = b""
        try:
            for chunk in self._response.stream(amt=None, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = json.loads(line)
                    yield event["type"], event["object"]
        except Exception:  # the connection broke; whoever watches lists again
            if not self._stopped:
                raise

    def stop(self) -> None:
        """End it; the reading thread wakes up at once."""
        self._stopped = True
        try:
            self._response.shutdown()
        except (ValueError, RuntimeError, OSError):
            return  # it had ended by itself


class Cluster:
    """Lists, watches and changes objects. Every method raises ApiError when the server answers with an error."""

    def __init__(self, kubeconfig: Path, *, gate: Callable[[], None] = lambda: None) -> None:
        """`gate` is called before each request and may raise: a killed operator sends nothing more."""
        configuration = kubernetes.client.Configuration()
        configuration.connection_pool_maxsize = _CONNECTIONS
        kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration, persist_config=False)
        self._api = kubernetes.client.ApiClient(configuration)
        self._gate = gate
        self._lock = threading.Lock()
        self._known: dict[tuple[str | None, str], Resource] = {}

    def close(self) -> None:
        """Close the idle connections."""
        self._api.rest_client.pool_manager.clear()

    def call(
        self, method: str, path: str, *, params: Params | None = None, body: Any = None, content_type: str = ""
    ) -> Any:
        """Send one request and decode its JSON answer."""
        return json.loads(self._send(method, path, params, body, content_type, stream=False).data)

    def _send(
        self, method: str, path: str, params: Params | None, body: Any, content_type: str, *, stream: bool
    ) -> Any:
        self._gate()
        try:
            return self._api.call_api(
                path,
                method,
                query_params=list((params or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content_type or "application/json"},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=(_CONNECT_TIMEOUT, _WATCH_SECONDS + 30 if stream else _ANSWER_TIMEOUT),
            )
        except kubernetes.client.ApiException as error:
            try:
                message = json.loads(error.body)["message"]
            except (TypeError, ValueError, KeyError):
                message = str(error.reason)
            raise ApiError(int(error.status or 0), message) from None

    def resource(self, api_version: str | None, kind: str) -> Resource:
        """Find a kind by name, plural or short name; without apiVersion the preferred one. Raises LookupError."""
        with self._lock:
            known = self._known.get((api_version, kind))
            if known:
                return known
            for candidate in [api_version] if api_version else self._preferred_versions():
                found = self._search(candidate, kind.lower())
                if found:
                    self._known[api_version, kind] = found
                    return found
        raise LookupError(f"the API server does not serve {kind} of {api_version or 'any version'}")

    def _preferred_versions(self) -> list[str]:
        groups = self.call("GET", "/apis")["groups"]
        return ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]

    def _search(self, api_version: str, wanted: str) -> Resource | None:
        root = "/api/" if "/" not in api_version else "/apis/"
        try:
            resources = self.call("GET", root + api_version)["resources"]
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        for item in resources:
            names = {item["kind"], item["name"], item.get("singularName", ""), *item.get("shortNames", [])}
            if "/" not in item["name"] and wanted in {name.lower() for name in names}:
                return Resource(api_version, item["kind"], item["name"], item["namespaced"])
        return None

    def list(self, resource: Resource, namespace: str = "", params: Params | None = None) -> dict[str, Any]:
        """The list object; items get apiVersion and kind, which the server leaves out."""
        result: dict[str, Any] = self.call("GET", resource.path(namespace), params=params)
        for item in result["items"]:
            item.update(apiVersion=resource.api_version, kind=resource.kind)
        return result

    def watch(self, resource: Resource, namespace: str, params: Params, version: str) -> Watch:
        """Begin to watch from a resourceVersion on."""
        query = {**params, "watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
        return Watch(self._send("GET", resource.path(namespace), query, None, "", stream=True))

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        """One object, or None when it does not exist."""
        try:
            return dict(self.call("GET", resource.path(namespace, name)))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
