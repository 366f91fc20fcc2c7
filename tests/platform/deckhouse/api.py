"""The few calls to the API server that the stand-in makes, on objects as plain dictionaries."""

from __future__ import annotations

from typing import Any

from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]
MANAGER = "deckhouse"
TIMEOUT = 10.0  # seconds of one request
_PLURALS = {
    "DaemonSet": "daemonsets",
    "Deployment": "deployments",
    "Namespace": "namespaces",
    "Pod": "pods",
    "Secret": "secrets",
}


class Api:
    """Calls raise kubernetes.client.exceptions.ApiException, or what urllib3 raises when the server is away."""

    def __init__(self, client: ApiClient) -> None:
        """The server need not answer yet."""
        self._client = client

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Object | None:
        """An object, or None."""
        try:
            return self._call("GET", _path(api_version, kind, namespace, name))
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str, *, selector: str) -> list[Object]:
        """The objects of a namespace whose labels match."""
        path = _path(api_version, kind, namespace)
        return list(self._call("GET", path, query={"labelSelector": selector})["items"])

    def create(self, obj: Object) -> bool:
        """Create an object; False when there is one of that name already."""
        try:
            self._call("POST", _path(obj["apiVersion"], obj["kind"], _namespace(obj)), body=obj)
        except ApiException as error:
            if error.status == 409:
                return False
            raise
        return True

    def apply(self, obj: Object) -> None:
        """Create or change an object to what is given, as its owner (server-side apply, conflicts overruled)."""
        path = _path(obj["apiVersion"], obj["kind"], _namespace(obj), obj["metadata"]["name"])
        query = {"fieldManager": MANAGER, "force": "true"}
        self._call("PATCH", path, body=obj, query=query, content_type="application/apply-patch+yaml")

    def merge(self, obj: Object, *, subresource: str = "") -> None:
        """Merge-patch an object (RFC 7396) with what is given."""
        path = _path(obj["apiVersion"], obj["kind"], _namespace(obj), obj["metadata"]["name"])
        self._call("PATCH", path + subresource, body=obj, content_type="application/merge-patch+json")

    def delete(self, api_version: str, kind: str, namespace: str, name: str) -> None:
        """Delete an object at once; it may be missing."""
        try:
            self._call("DELETE", _path(api_version, kind, namespace, name), query={"gracePeriodSeconds": "0"})
        except ApiException as error:
            if error.status != 404:
                raise

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        data, _, _ = self._client.call_api(
            path,
            method,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
            response_types_map={200: "object", 201: "object", 202: "object"},
            _request_timeout=TIMEOUT,
        )
        return dict(data)


def _namespace(obj: Object) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _path(api_version: str, kind: str, namespace: str, name: str = "") -> str:
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    parts = [root, *(["namespaces", namespace] if namespace else []), _PLURALS[kind], *([name] if name else [])]
    return "/".join(parts)
