"""The way back when Deckhouse is down: what its hooks would do, done from outside.

Secret deckhouse-registry gets the five facts of the registry from before the first switch, and Deployment deckhouse the
image names of that registry, since Deckhouse cannot give them to itself now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lib.registry_module import names, platform_secret, snapshots, state
from lib.registry_module.encoding import decode
from lib.registry_module.platform_secret import PlatformRegistry

from .errors import PlanError
from .kubectl import Kubectl

STATE_SECRET = f"{names.NAMESPACE}/registry-state"
SECRET = f"{names.NAMESPACE}/{names.PLATFORM_SECRET}"
_BY_HAND = "Write the registry that the cluster was installed from to deckhouse-registry yourself; see FAQ."


@dataclass(frozen=True)
class Rollback:
    """What would be written. `images`: kind of container list → [{name, image}] of Deployment deckhouse that change."""

    before: PlatformRegistry | None
    after: PlatformRegistry
    images: dict[str, list[dict[str, str]]]
    mode: str

    @property
    def secret_patch(self) -> dict[str, Any]:
        return platform_secret.patch(self.after)

    @property
    def deployment_patch(self) -> dict[str, Any]:
        """A strategic merge patch: containers are found by name."""
        return {"spec": {"template": {"spec": self.images}}}

    def _shown(self) -> dict[str, str]:
        """The five keys as people may see them."""
        after = self.after
        clear = {"address": after.address, "path": after.path, "scheme": after.scheme}
        certificates = f"<{after.ca.count('-----BEGIN CERTIFICATE-----')} certificates>" if after.ca else ""
        return {**clear, "ca": certificates, ".dockerconfigjson": f"<masked: {len(after.dockerconfig)} characters>"}

    def to_dict(self) -> dict[str, Any]:
        return {
            "secret": SECRET,
            "from": self.before.base if self.before else "",
            "to": self.after.base,
            "data": self._shown(),
            "changesSecret": not self.after.same_as(self.before),
            "deployment": self.images,
            "next": next_steps(self.mode),
        }


def prepare(cluster: Kubectl) -> Rollback:
    """Read, decide, write nothing. Raises PlanError when the way back is not known."""
    found = cluster.get(_named("Secret", "registry-state", names.PLATFORM_SECRET))
    secrets = {item["metadata"]["name"]: item for item in found}
    kept = secrets.get("registry-state")
    if kept is None:
        raise PlanError(f"Secret {STATE_SECRET} does not exist: the way back is not known. {_BY_HAND}")
    if (kept["metadata"].get("labels") or {}).get(snapshots.OWNER_LABEL) != snapshots.OWNER:
        raise PlanError(f"Secret {STATE_SECRET} belongs to the platform's own registry module, not to this one.")
    known = state.restore(decode((kept.get("data") or {}).get("state")))
    if not known.salt:
        raise PlanError(f"Secret {STATE_SECRET} cannot be read: its key state is damaged. {_BY_HAND}")
    if known.original is None:
        raise PlanError(f"Secret {STATE_SECRET} does not name the registry from before the first switch. {_BY_HAND}")
    present = secrets.get(names.PLATFORM_SECRET)
    if present is None:
        raise PlanError(f"Secret {SECRET} does not exist: restore it from a backup, it holds more than that.")
    data = present.get("data") or {}
    texts = {key: decode(data.get(key)) for key in platform_secret.KEYS}
    before = PlatformRegistry.from_facts({**texts, "dockerconfig": texts[".dockerconfigjson"]})
    deployments = cluster.get({**_named("Deployment", "deckhouse"), "apiVersion": "apps/v1"})
    return Rollback(before, known.original, _images(deployments, known.original.base), _mode(cluster))


def _named(kind: str, *wanted: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "nameSelector": {"matchNames": list(wanted)},
        "namespace": {"nameSelector": {"matchNames": [names.NAMESPACE]}},
    }


def _images(deployments: list[dict[str, Any]], base: str) -> dict[str, list[dict[str, str]]]:
    if not deployments:
        return {}
    pod = deployments[0]["spec"]["template"]["spec"]
    moved = {
        section: [
            {"name": container["name"], "image": base + container["image"][len(names.VIRTUAL_BASE) :]}
            for container in pod.get(section) or []
            if container["image"].startswith((names.VIRTUAL_BASE + ":", names.VIRTUAL_BASE + "@"))
        ]
        for section in ("initContainers", "containers")
    }
    return {section: found for section, found in moved.items() if found}


def _mode(cluster: Kubectl) -> str:
    """What ModuleConfig registry says; "" when there is none."""
    found = cluster.get(
        {"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "nameSelector": {"matchNames": ["registry"]}}
    )
    return str(((found[0].get("spec") or {}).get("settings") or {}).get("mode", names.UNMANAGED)) if found else ""


def carry_out(cluster: Kubectl, back: Rollback) -> None:
    """Write. Secret first: once Deckhouse runs again it renders with it. Repeating it does no harm."""
    cluster.patch("secret", names.NAMESPACE, names.PLATFORM_SECRET, back.secret_patch)
    if back.images:
        cluster.patch("deployment", names.NAMESPACE, "deckhouse", back.deployment_patch, strategic=True)


def next_steps(mode: str) -> list[str]:
    """What the administrator does afterwards."""
    unmanaged = 'kubectl patch moduleconfig registry --type=merge -p \'{"spec":{"settings":{"mode":"Unmanaged"}}}\''
    steps = []
    if mode and mode != names.UNMANAGED:
        steps.append(
            f"ModuleConfig registry says mode {mode}: Deckhouse would switch again as soon as it runs. Set Unmanaged "
            f"now; should the API server refuse it because Deckhouse does not answer, repeat it until it is taken: "
            f"{unmanaged}"
        )
    steps.append("Wait for Deckhouse: kubectl -n d8-system get pods -l app=deckhouse -w")
    steps.append("Wait for the end: kubectl wait registry/main --for=condition=Ready --timeout=120m")
    steps.append("Gateways and node routes stay until nothing uses them, and go by themselves.")
    return steps


def text(back: Rollback, written: bool) -> str:
    """For people."""
    data = back.to_dict()
    lines = ["Written:" if written else "Would be written (add --yes to do it):", ""]
    lines.append(f"Secret {SECRET}: {data['from'] or '(no registry)'} -> {data['to']}")
    lines += [f"  {key}: {value}" for key, value in data["data"].items()]
    if not data["changesSecret"]:
        lines.append("  (it says this already)")
    lines.append("")
    if back.images:
        lines.append("Deployment d8-system/deckhouse, images:")
        lines += [f"  {each['name']}: {each['image']}" for found in back.images.values() for each in found]
    else:
        lines.append("Deployment d8-system/deckhouse: no image by the fixed address, nothing to change")
    lines += ["", "Then:"]
    lines += [f"{number}. {step}" for number, step in enumerate(data["next"], 1)]
    return "\n".join(lines) + "\n"
