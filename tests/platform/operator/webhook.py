"""The HTTPS server behind the ValidatingWebhookConfiguration of ModuleConfig, with a CA of its own."""

import base64
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .admission import Verdict
from .certificates import serving_certificate
from .cluster import ApiError, Cluster
from .life import Life
from .log import Log

NAME = "moduleconfig.test-operator"

_PROBE = "webhook-probe"  # of a dry run, never stored
_ASKED_WITHIN = 15.0  # seconds

Judge = Callable[[str, dict[str, Any] | None, dict[str, Any] | None], Verdict]
"""Name of a ModuleConfig, new and old object → verdict."""


class Webhook:
    """Serves from construction on; register() makes the API server ask."""

    def __init__(self, *, address: str, judge: Judge, log: Log) -> None:
        """`address` (an IP of this machine) is listened on and must be reachable for the API server."""
        self._address, self._judge, self._log = address, judge, log
        self._asked = threading.Event()
        self._server = _Server((address, 0), self._handler())
        self._server.daemon_threads = True
        certificate, key, self._ca = serving_certificate(address)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as pair:
            Path(pair.name).write_bytes(certificate + key)
            context.load_cert_chain(pair.name)
        # The handshake belongs to the thread of the connection, not to the one that accepts.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="webhook", daemon=True).start()

    def register(self, cluster: Cluster, life: Life) -> None:
        """Create or update the ValidatingWebhookConfiguration; returns when the API server really asks."""
        rule = {
            "apiGroups": ["deckhouse.io"],
            "apiVersions": ["v1alpha1"],
            "operations": ["CREATE", "UPDATE", "DELETE"],
            "resources": ["moduleconfigs"],
        }
        url = f"https://{self._address}:{self._server.server_port}/moduleconfig"
        webhook = {
            "name": "moduleconfig.deckhouse.io",
            "clientConfig": {"url": url, "caBundle": base64.b64encode(self._ca).decode()},
            "rules": [rule],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 10,
        }
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
        body = {**kind, "metadata": {"name": NAME}, "webhooks": [webhook]}
        resource = cluster.resource(kind["apiVersion"], kind["kind"])
        try:
            cluster.call("POST", resource.path(), body=body)
        except ApiError as error:
            if error.status != 409:
                raise
            cluster.call("PATCH", resource.path("", NAME), body=body, content_type="application/merge-patch+json")
        self._wait_asked(cluster, life)

    def _wait_asked(self, cluster: Cluster, life: Life) -> None:
        """The API server learns of the configuration a moment later; a dry run shows whether it has."""
        kind = {"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig"}
        path = cluster.resource(kind["apiVersion"], kind["kind"]).path()
        deadline = time.monotonic() + _ASKED_WITHIN
        while not self._asked.is_set():
            try:
                cluster.call("POST", path, params={"dryRun": "All"}, body={**kind, "metadata": {"name": _PROBE}})
            except ApiError as error:  # it still asks the address of an operator that is gone
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the API server does not reach {self._address}: {error}") from None
            if time.monotonic() > deadline:
                raise TimeoutError("the API server does not ask the webhook")
            life.sleep(0.02)

    def unregister(self, cluster: Cluster) -> None:
        """Delete the ValidatingWebhookConfiguration."""
        resource = cluster.resource("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")
        try:
            cluster.call("DELETE", resource.path("", NAME))
        except ApiError as error:
            if error.status != 404:
                raise

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        judge, log, asked = self._judge, self._log, self._asked

        class Handler(BaseHTTPRequestHandler):
            timeout = 15

            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                request = review["request"]
                if request["name"] == _PROBE:
                    asked.set()
                verdict = judge(request["name"], request.get("object"), request.get("oldObject"))
                response: dict[str, Any] = {"uid": request["uid"], "allowed": verdict.allowed}
                if not verdict.allowed:
                    response["status"] = {"message": verdict.message, "code": 403}
                if verdict.warnings:
                    response["warnings"] = verdict.warnings
                body = json.dumps({**review, "request": None, "response": response}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                log.info("moduleconfig reviewed", allowed=verdict.allowed, reason=verdict.message)

            def log_message(self, format: str, *args: Any) -> None:
                """Requests are logged with their verdict above."""

        return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nobody's problem; the API server tells its user."""
