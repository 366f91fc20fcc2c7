"""The images of the demo, built on the spot as one OCI layout and kept in the cache.

`catalogue()` builds or finds them; `push` brings them (or some of them) below the base repository of a registry, and
`reference(name, base)` says how a pod names one.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.platform.images import content
from tools.oci import cache, debian, layers
from tools.oci.layers import Entry, write_layer
from tools.oci.layout import Descriptor, Layer, Layout, named_digests, pack

BALLAST = 64  # MiB of the demo image's big layer
RELEASES = ("v1.70.1", "v1.70.2")
DEMO_TAGS = ("v1", "v2")


@dataclass(frozen=True)
class Image:
    """An image of the catalogue: `name` in the layout; `repository` below the base ("" is the base itself)."""

    name: str
    repository: str
    tag: str
    digest: str

    def reference(self, base: str, *, by_digest: bool = False) -> str:
        """The reference below `base` (host[:port]/path), by tag or, as for images of modules, by digest."""
        place = f"{base}/{self.repository}" if self.repository else base
        return f"{place}@{self.digest}" if by_digest else f"{place}:{self.tag}"


@dataclass(frozen=True)
class Catalogue:
    """A finished layout and what is in it."""

    layout: Path
    images: tuple[Image, ...]

    def __getitem__(self, name: str) -> Image:
        return next(image for image in self.images if image.name == name)


# name in the layout → repository below the base, tag
PLACES = {
    **{f"deckhouse-{release}": ("", release) for release in RELEASES},
    "app": ("", "app"),
    "pause": ("", "pause"),
    "client": ("client", "v1"),
    **{f"demo-{tag}": ("demo", tag) for tag in DEMO_TAGS},
}


def catalogue() -> Catalogue:
    """All images; the first call takes some ten seconds. Raises subprocess.CalledProcessError without packages."""
    client = _client()
    sources = (Path(__file__), Path(content.__file__), Path(layers.__file__), content.BUSYBOX)
    key = cache.key_of(*sources, str(client))
    layout = cache.cached("images/demo", key, lambda folder: _build(folder, client))
    digests = named_digests(layout)
    return Catalogue(layout, tuple(Image(name, *place, digests[name]) for name, place in PLACES.items()))


def push(
    layout: Path,
    images: Iterable[Image],
    *,
    address: str,
    path: str,
    ca: str = "",
    login: str = "",
    wrapper: Sequence[str] = (),
) -> None:
    """Copies images of an OCI layout below `address/path`, whole indexes, digests preserved; plain HTTP without `ca`.

    `login` is user:password; `wrapper` is put before the client's command. Raises subprocess.CalledProcessError with
    skopeo's words in `stderr`.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ca.crt").write_text(ca, encoding="utf-8")
        trust = f"--dest-cert-dir={folder}" if ca else "--dest-tls-verify=false"
        rights = f"--dest-creds={login}" if login else "--dest-no-creds"
        copy = [*wrapper, "skopeo", "copy", "--quiet", "--all", "--preserve-digests", trust, rights]
        for image in images:
            target = f"docker://{image.reference(f'{address}/{path}')}"
            subprocess.run([*copy, f"oci:{layout}:{image.name}", target], check=True, capture_output=True, text=True)


def _client() -> Path:
    library = "usr/lib/x86_64-linux-gnu"
    return debian.root_file_system(
        "client",
        ("skopeo", "ca-certificates"),
        programs=("usr/bin/skopeo",),
        unwanted=("usr/lib/cni/", f"{library}/perl/", f"{library}/gconv/", "usr/share/perl/", "var/lib/dpkg/"),
        extra=[Entry("var/tmp", mode=0o1777)],
    )


def _build(folder: Path, client: Path) -> None:
    layout = Layout(folder)

    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:

        def layer(name: str, entries: list[layers.Entry] | Path, *, compress: bool = True) -> Layer:
            place = Path(temporary) / name
            place.mkdir()
            tar = entries if isinstance(entries, Path) else place / "layer.tar"
            if not isinstance(entries, Path):
                write_layer(tar, entries)
            return pack(tar, place, compress=compress)

        def image(*parts: Layer, machine: str = "amd64") -> Descriptor:
            return layout.image(parts, architecture=machine, config=content.CONFIG)

        shell = layer("shell", content.busybox_layer())
        ballast = layer("ballast", content.ballast_layer(BALLAST), compress=False)
        for name in ("app", "pause", *(f"deckhouse-{release}" for release in RELEASES)):
            layout.name(image(shell, layer(name, content.release_layer(name))), name)
        for tag in DEMO_TAGS:
            platforms = [
                image(
                    shell,
                    ballast,
                    layer(f"demo-{tag}-{machine}", content.release_layer(f"demo {tag} {machine}")),
                    machine=machine,
                )
                for machine in ("amd64", "arm64")
            ]
            layout.name(layout.index(platforms), f"demo-{tag}")
        layout.name(
            image(layer("client", client), shell, layer("client-name", content.release_layer("client"))), "client"
        )
        layout.close()
