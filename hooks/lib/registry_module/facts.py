"""What the cluster shows, as typed facts read defensively from `internal.facts` and `global`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import proof_facts
from .cluster_proxy import ClusterProxy
from .platform_secret import PlatformRegistry, credentials
from .proof_facts import Proof
from .snapshots import MODULE


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


@dataclass(frozen=True)
class Group:
    """Nodes of one applied version and one canary verdict (passed, failed, unknown)."""

    version: str
    canary: str
    ready: int
    not_ready: int
    names: tuple[str, ...]
    control_plane: int = 0
    """Of the Ready ones."""
    shares: tuple[int, ...] = ()
    """Ready workers by rank, in BUCKETS."""


@dataclass(frozen=True)
class FirstNode:
    """The node that tries a new route before all others, with its applied version and canary verdict."""

    name: str
    version: str
    canary: str


@dataclass(frozen=True)
class ControlPlaneNode:
    name: str
    address: str
    ready: bool


@dataclass(frozen=True)
class Nodes:
    """The nodes, bounded: counts, and at most ten names each."""

    total: int = 0
    ready: int = 0
    unsupported_count: int = 0
    unsupported: tuple[tuple[str, str], ...] = ()
    not_ready_count: int = 0
    not_ready: tuple[str, ...] = ()
    control_plane: tuple[ControlPlaneNode, ...] = ()
    groups: tuple[Group, ...] = ()
    first: FirstNode | None = None
    failures: tuple[tuple[str, str], ...] = ()
    foreign_count: int = 0
    foreign: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(node, names below /etc/containerd): registries of containerd that others have configured."""


@dataclass(frozen=True)
class Leader:
    """The pod that leads Deckhouse. `version` is its annotation checksum/registry-version."""

    name: str = ""
    ready: bool = False
    version: str = ""


@dataclass(frozen=True)
class ImageCheck:
    """What one replica says about the expected images at the candidate."""

    version: str = ""
    total: int = 0
    checked: int = 0
    present: int = 0
    complete: bool = False
    error_count: int = 0
    errors: tuple[tuple[str, str, str], ...] = ()
    """(image, reason, message)"""


@dataclass(frozen=True)
class StoreNumbers:
    """What is worth an alert of a replica's store. `damaged`: pieces of content that were not repaired."""

    full: bool = False
    failed: int = 0
    damaged: int = 0


@dataclass(frozen=True)
class Replica:
    node: str
    pod_ready: bool = False
    config_version: str = ""
    config_error: str = ""
    store_error: str = ""
    store: StoreNumbers | None = None
    unreachable: tuple[str, ...] = ()
    """Hosts of registries behind the gateways."""
    refused: tuple[tuple[str, str], ...] = ()
    """(host, Unauthorized or Forbidden)"""
    check: ImageCheck = ImageCheck()


@dataclass(frozen=True)
class Facts:
    """All facts. `known` is False until the discovery hooks have run once."""

    nodes: Nodes = Nodes()
    registry: PlatformRegistry | None = None
    leader: Leader = Leader()
    client_ca: str = ""
    embedded: tuple[str, ...] = ()
    deckhouse_images: tuple[tuple[str, str], ...] = ()
    pods_count: int = 0
    pods: tuple[str, ...] = ()
    replicas: tuple[Replica, ...] = ()
    proofs: tuple[Proof, ...] = ()
    rendered: PlatformRegistry | None = None
    """What Deckhouse renders manifests with now: global.modulesImages.registry."""
    rendered_hash: str = ""
    digests: tuple[tuple[str, str], ...] = ()
    """(module/image, digest) of the images of every module that comes with the platform."""
    modules: tuple[tuple[str, str], ...] = ()
    """(name, version) of the downloaded modules whose running version is known."""
    proxy: ClusterProxy | None = None
    known: bool = False

    @property
    def login(self) -> tuple[str, str]:
        """User and password that the platform pulls with by our address; empty when it needs none, or does not."""
        if self.registry is None or not self.registry.is_virtual:
            return "", ""
        return credentials(self.registry.dockerconfig, self.registry.address)

    @property
    def in_use(self) -> bool:
        """The platform pulls by the virtual address, and it is ours to serve; with or without a state that says so."""
        return self.registry is not None and self.registry.is_virtual and not self.embedded


def parse(facts: dict[str, Any], global_values: dict[str, Any] | None) -> Facts:
    """Read `internal.facts` and `global`; whatever is missing or odd becomes an empty fact, never an error."""
    nodes, platform = _dict(facts.get("nodes")), _dict(facts.get("platform"))
    pods = _dict(facts.get("pods"))
    leader = _dict(platform.get("leader"))
    images = _dict(_dict(global_values).get("modulesImages"))
    downloaded = [
        (str(one.get("name")), str(one.get("version") or "")) for one in map(_dict, _list(platform.get("downloaded")))
    ]
    rendered = _dict(images.get("registry"))
    return Facts(
        nodes=_nodes(nodes),
        registry=PlatformRegistry.from_facts(_dict(platform.get("registry"))),
        leader=Leader(str(leader.get("name", "")), leader.get("ready") is True, str(leader.get("version", ""))),
        client_ca=str(platform.get("clientCA", "")),
        embedded=tuple(str(sign) for sign in _list(platform.get("embedded"))),
        deckhouse_images=tuple(
            (str(image.get("name", "")), str(image.get("image", "")))
            for image in map(_dict, _list(platform.get("images")))
        ),
        pods_count=int(pods.get("count", 0)),
        pods=tuple(str(name) for name in _list(pods.get("names"))),
        replicas=tuple(_replica(_dict(item)) for item in _list(facts.get("replicas"))),
        proofs=proof_facts.parse(facts.get("proofs")),
        rendered=PlatformRegistry.from_global(rendered),
        rendered_hash=str(rendered.get("hash") or ""),
        digests=_digests(_dict(images.get("digests")), [name for name, _ in downloaded]),
        modules=tuple((name, version) for name, version in downloaded if version),
        proxy=ClusterProxy.from_global(_dict(global_values).get("clusterConfiguration")),
        known=bool(nodes) and bool(platform),
    )


def _nodes(data: dict[str, Any]) -> Nodes:
    unsupported, not_ready, failures, foreign = (
        _dict(data.get(key)) for key in ("unsupported", "notReady", "failures", "foreign")
    )
    first = _dict(data.get("first"))
    return Nodes(
        total=int(data.get("total", 0)),
        ready=int(data.get("ready", 0)),
        unsupported_count=int(unsupported.get("count", 0)),
        unsupported=tuple((str(n["name"]), str(n["runtime"])) for n in _list(unsupported.get("nodes"))),
        not_ready_count=int(not_ready.get("count", 0)),
        not_ready=tuple(str(name) for name in _list(not_ready.get("names"))),
        control_plane=tuple(
            ControlPlaneNode(str(n["name"]), str(n["address"]), n.get("ready") is True)
            for n in _list(data.get("controlPlane"))
        ),
        groups=tuple(
            Group(
                g["version"],
                g["canary"],
                int(g["ready"]),
                int(g["notReady"]),
                tuple(_list(g.get("names"))),
                int(g.get("controlPlane", 0)),
                tuple(int(count) for count in _list(g.get("shares"))),
            )
            for g in _list(data.get("versions"))
        ),
        first=FirstNode(**{key: str(first.get(key, "")) for key in ("name", "version", "canary")}) if first else None,
        failures=tuple((str(n["name"]), str(n["error"])) for n in _list(failures.get("nodes"))),
        foreign_count=int(foreign.get("count", 0)),
        foreign=tuple((str(n["name"]), tuple(map(str, n["entries"]))) for n in _list(foreign.get("nodes"))),
    )


def _replica(data: dict[str, Any]) -> Replica:
    check, store = _dict(data.get("check")), _dict(data.get("store"))
    return Replica(
        node=str(data.get("node", "")),
        pod_ready=data.get("podReady") is True,
        config_version=str(data.get("configVersion", "")),
        config_error=str(data.get("configError", "")),
        store_error=str(store.get("error", "")),
        store=_store(store) if store else None,
        unreachable=tuple(str(host) for host in _list(data.get("unreachable"))),
        refused=tuple((str(r["host"]), str(r["reason"])) for r in _list(data.get("refused"))),
        check=ImageCheck(
            version=str(check.get("version", "")),
            total=int(check.get("total", 0)),
            checked=int(check.get("checked", 0)),
            present=int(check.get("present", 0)),
            complete=check.get("complete") is True,
            error_count=int(check.get("errorCount", 0)),
            errors=tuple(
                (str(e.get("image", "")), str(e.get("reason", "")), str(e.get("message", "")))
                for e in map(_dict, _list(check.get("errors")))
            ),
        ),
    )


def _store(data: dict[str, Any]) -> StoreNumbers:
    damaged = int(data.get("damaged", 0)) - int(data.get("repaired", 0))
    return StoreNumbers(data.get("full") is True, int(data.get("failed", 0)), max(0, damaged))


def _digests(digests: dict[str, Any], downloaded: list[str]) -> tuple[tuple[str, str], ...]:
    # Images of a downloaded module, ours among them, follow its ModuleSource and are not below the platform's base.
    elsewhere = {MODULE, *(values_key(name) for name in downloaded)}
    return tuple(
        sorted(
            (f"{module}/{image}", digest)
            for module, images in digests.items()
            if module not in elsewhere
            for image, digest in _dict(images).items()
            if isinstance(digest, str) and digest
        )
    )


def values_key(module: str) -> str:
    """`operator-trivy` → `operatorTrivy`: the key of a module in values (platform-contracts §10)."""
    head, *rest = module.split("-")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
