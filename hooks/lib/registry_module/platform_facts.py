"""What Deckhouse itself shows: its registry Secret, leader, images, the client CA, and signs of another owner."""

from __future__ import annotations

import re
from typing import Any

from .encoding import decode

_MODULE = re.compile(r"[a-z0-9]+(?:-+[a-z0-9]+)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")  # distribution spec 1.1, "Pulling manifests"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def collect(
    *,
    secrets: list[Any],
    leaders: list[Any],
    deployments: list[Any],
    client_ca: list[Any],
    embedded: list[Any],
    downloaded: list[Any],
) -> dict[str, Any]:
    """The `internal.facts.platform` subtree from filter results; missing objects leave empty facts.

    :param secrets: {address, path, scheme, ca, dockerconfig}, each base64 or null
    :param leaders: {name, ready, version} of pods that lead Deckhouse
    :param deployments: {images: [{name, image}]}
    :param client_ca: PEM texts
    :param embedded: "Kind namespace/name" of objects of the first-party module
    :param downloaded: {name, version} of modules that come from a ModuleSource; the version is the tag that runs
    """
    return {
        "registry": _registry(secrets),
        "leader": _leader(leaders),
        "images": _images(deployments),
        "clientCA": "\n".join(sorted({pem for text in client_ca for pem in _PEM.findall(str(text or ""))})),
        "embedded": sorted(str(sign) for sign in embedded if sign),
        "downloaded": _modules(downloaded),
    }


def _modules(found: list[Any]) -> list[dict[str, str]]:
    """Modules by name; a version that can be no tag is none that is known."""
    modules = {}
    for module in found:
        name, version = (module.get(key) for key in ("name", "version")) if isinstance(module, dict) else (None, None)
        if isinstance(name, str) and _MODULE.match(name):
            modules[name] = version if isinstance(version, str) and _TAG.match(version) else ""
    return [{"name": name, "version": version} for name, version in sorted(modules.items())]


def _registry(secrets: list[Any]) -> dict[str, str]:
    for secret in secrets:
        if isinstance(secret, dict) and decode(secret.get("address")):
            return {field: decode(secret.get(field)) for field in ("address", "path", "scheme", "ca", "dockerconfig")}
    return {}


def _leader(leaders: list[Any]) -> dict[str, Any]:
    pods = sorted((pod for pod in leaders if isinstance(pod, dict)), key=lambda pod: str(pod.get("name")))
    if len(pods) != 1:  # none yet, or an old and a new one side by side: nothing to rely on
        return {}
    pod = pods[0]
    return {"name": str(pod["name"]), "ready": pod.get("ready") is True, "version": str(pod.get("version") or "")}


def _images(deployments: list[Any]) -> list[dict[str, str]]:
    return [
        {"name": str(image["name"]), "image": str(image["image"])}
        for deployment in deployments
        if isinstance(deployment, dict)
        for image in deployment.get("images") or []
        if isinstance(image, dict) and image.get("name") and image.get("image")
    ]
