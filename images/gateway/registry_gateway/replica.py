"""Writing the RegistryReplica status, whether or not the API server is there at the moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from registry_gateway import log, status

GROUP, VERSION, PLURAL = "registry.deckhouse.io", "v1alpha1", "registryreplicas"
AT_LEAST_EVERY = 60.0  # seconds between writes when nothing changed
AT_MOST_EVERY = 1.0  # a check of hundreds of images changes the status all the time
RETRY_AFTER = 5.0
TIMEOUT = (3.0, 10.0)  # seconds to connect and to read

Write = Callable[[Mapping[str, Any]], None]


class WriteError(Exception):
    """The status could not be written; the text says why, without the API server's words."""


class Reporter:
    """Calls `write` (in a thread; it may block, it may raise WriteError) when `current()` says something new."""

    def __init__(self, current: Callable[[], dict[str, Any]], write: Write) -> None:
        self._current, self._write = current, write
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Something may be new."""
        self._changed.set()

    async def run(self) -> None:
        """Report for ever."""
        written: dict[str, Any] | None = None
        complaint, due = "", 0.0
        while True:
            self._changed.clear()
            latest = self._current()
            if written is None or not status.same(latest, written) or time.monotonic() >= due:
                try:
                    await asyncio.to_thread(self._write, latest)
                except WriteError as error:
                    if str(error) != complaint:
                        complaint = str(error)
                        log.emit("warning", "status not written", error=complaint)
                    written = None
                    await asyncio.sleep(RETRY_AFTER)
                    continue
                if complaint:
                    complaint = ""
                    log.emit("info", "status written again")
                written, due = latest, time.monotonic() + AT_LEAST_EVERY
            await asyncio.sleep(AT_MOST_EVERY)
            try:
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                continue


def kubernetes_writer(name: str, *, kubeconfig: Path | None = None) -> Write:
    """Merge-patches the status of RegistryReplica `name`, with the pod's service account or with `kubeconfig`.

    The client is made at the first write and again after a failure: the token or the address may have changed.
    """
    api: list[Any] = []

    def write(latest: Mapping[str, Any]) -> None:
        # Imported here, in the thread: it takes half a second and some 40 MB that workers and `check` do without.
        import kubernetes
        import urllib3

        try:
            if not api:
                api.append(_client(kubernetes, kubeconfig))
            api[0].patch_cluster_custom_object_status(
                GROUP,
                VERSION,
                PLURAL,
                name,
                {"status": latest},
                _content_type="application/merge-patch+json",
                _request_timeout=TIMEOUT,
            )
        except kubernetes.client.ApiException as error:
            api.clear()
            raise WriteError(f"the API server answered {error.status} for RegistryReplica {name}") from None
        except kubernetes.config.ConfigException:
            api.clear()
            raise WriteError("no credentials for the API server") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            api.clear()
            raise WriteError(f"the API server cannot be reached ({type(error).__name__})") from None

    return write


def _client(kubernetes: Any, kubeconfig: Path | None) -> Any:
    configuration = kubernetes.client.Configuration()
    if kubeconfig is not None:
        kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    else:
        kubernetes.config.load_incluster_config(client_configuration=configuration)
    configuration.retries = False  # the reporter repeats by itself, with the newest status
    return kubernetes.client.CustomObjectsApi(kubernetes.client.ApiClient(configuration))
