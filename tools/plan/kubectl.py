"""The cluster, by kubectl: errors of the API server become sentences that say what to do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from . import ROOT
from .errors import PlanError

TIMEOUT = 120
_OWN = ROOT / "tools/bin/kubectl"
_REASONS = (
    ("(Forbidden)", "is not permitted: use an account that may {verb} it"),
    ("Unauthorized", "failed: the API server does not accept the login of this kubeconfig"),
    ("must be logged in", "failed: the API server does not accept the login of this kubeconfig"),
    ("(NotFound)", "failed: it does not exist"),
    ("(Conflict)", "failed: somebody changed it at the same time; look again and repeat"),
    ("admission webhook", "was refused by an admission webhook"),
    ("refused", "failed: the API server does not answer"),
    ("Unable to connect", "failed: the API server does not answer"),
    ("timeout", "failed: the API server does not answer in time"),
)
_NO_KIND = "the server doesn't have a resource type"


class Kubectl:
    """One cluster. `kubeconfig` None: what kubectl uses by itself."""

    def __init__(self, kubeconfig: Path | None) -> None:
        if kubeconfig is not None and not kubeconfig.is_file():
            raise PlanError(f"{kubeconfig} is no file: give a kubeconfig of an administrator")
        self._base = [str(_OWN) if _OWN.exists() else "kubectl"]
        self._base += ["--kubeconfig", str(kubeconfig)] if kubeconfig else []

    def get(self, binding: dict[str, Any]) -> list[dict[str, Any]]:
        """All objects of a hook's kubernetes binding; none when the cluster does not know the kind."""
        group, _, version = binding["apiVersion"].rpartition("/")
        kind = f"{binding['kind']}.{version}.{group}" if group else binding["kind"]
        namespaces = binding.get("namespace", {}).get("nameSelector", {}).get("matchNames")
        labels = binding.get("labelSelector", {}).get("matchLabels", {})
        names = binding.get("nameSelector", {}).get("matchNames", [])
        words = ["get", kind, *names, "-o", "json"]
        words += ["-n", namespaces[0]] if namespaces else [] if names else ["-A"]
        if names:
            words += ["--ignore-not-found"]  # kubectl takes names or a selector
        elif labels:
            words += ["-l", ",".join(f"{key}={value}" for key, value in labels.items())]
        text = self._run(words, f"reading {binding['kind']}", "get and list", missing_kind="")
        found = json.loads(text) if text.strip() else {"items": []}
        return list(found["items"]) if "items" in found else [found]

    def patch(self, kind: str, namespace: str, name: str, patch: dict[str, Any], *, strategic: bool = False) -> None:
        """Patch one object. The patch goes by standard input: arguments are seen by everybody on the machine."""
        words = ["patch", kind, name, "-n", namespace, "--patch-file", "/dev/stdin"]
        words += ["--type", "strategic" if strategic else "merge"]
        self._run(words, f"changing {kind} {namespace}/{name}", "patch", given=json.dumps(patch))

    def _run(
        self, words: list[str], doing: str, verb: str, *, given: str | None = None, missing_kind: str | None = None
    ) -> str:
        command = [*self._base, "--request-timeout", "60s", *words]
        try:
            done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        except FileNotFoundError:
            raise PlanError("kubectl is not there: install it, or dump the objects and use --facts") from None
        except subprocess.TimeoutExpired:
            raise PlanError(f"{doing} failed: the API server does not answer in time") from None
        if done.returncode == 0:
            return done.stdout
        if missing_kind is not None and _NO_KIND in done.stderr:
            return missing_kind
        for sign, sentence in _REASONS:
            if sign in done.stderr:
                raise PlanError(f"{doing} {sentence.format(verb=verb)}")
        raise PlanError(f"{doing} failed; try it by hand: kubectl {' '.join(words)}")
