"""The gateway's image: Debian's Python, pinned packages, our code; a layer each, so that new code is built in seconds.

    python -m tools.oci.gateway_image [--layout FOLDER]

prints the digest; `--layout` links the OCI layout (tag `gateway`) to FOLDER. `build()` is for the test platform.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tools.oci import layers as layer_code
from tools.oci.cache import cached, key_of
from tools.oci.debian import BUNDLE, root_file_system
from tools.oci.layers import Entry, tree, write_layer
from tools.oci.layout import Layer, Layout, named_digests, pack, packed

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "images" / "gateway"
WRITERS = (Path(__file__), Path(layer_code.__file__))  # what is built by other code is built again
VERSION = "3.11"  # of Python, as in Debian's suite
LIBRARY = f"usr/lib/python{VERSION}"
USER = 64535  # deckhouse, by convention of the platform's images
TAG = "gateway"
PLATFORMS = ("manylinux_2_36_x86_64", "manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64")
CONFIG = {
    "Entrypoint": ["/usr/bin/python3", "-m", "registry_gateway"],
    "Env": [
        "PATH=/usr/bin",
        "PYTHONPATH=/app:/packages",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONUNBUFFERED=1",
        f"SSL_CERT_FILE=/{BUNDLE}",
    ],
    "User": f"{USER}:{USER}",
    "WorkingDir": "/",
}
# No shell and no program but Python; none of the parts of Python that need a screen or install things.
PROGRAMS = (f"usr/bin/python{VERSION}",)
UNWANTED = (
    *(
        f"{LIBRARY}/{part}/"
        for part in ("ensurepip", "idlelib", "lib2to3", "pydoc_data", "tkinter", "turtledemo", "venv")
    ),
    *("etc/dpkg/", "etc/init.d/", "usr/lib/dpkg/", "usr/lib/x86_64-linux-gnu/gconv/", "var/lib/dpkg/"),
)
EXTRA = (
    Entry("etc/passwd", f"deckhouse:x:{USER}:{USER}::/:/nonexistent\n".encode(), mode=0o644),
    Entry("etc/group", f"deckhouse:x:{USER}:\n".encode(), mode=0o644),
    Entry("etc/nsswitch.conf", b"hosts: files dns\n", mode=0o644),
    Entry("tmp", mode=0o1777),
    Entry("usr/bin/python3", link=f"python{VERSION}"),
)
# What a person types in `kubectl exec`; it needs no shell either.
COMMAND = Entry(
    "usr/bin/registry-gateway",
    b"#!/usr/bin/python3\nimport runpy\n\nrunpy.run_module('registry_gateway', run_name='__main__', alter_sys=True)\n",
    mode=0o755,
)


def build(code: Path = SOURCE / "registry_gateway") -> tuple[Path, str]:
    """The OCI layout of the image and its manifest's digest; from the cache when nothing changed.

    Raises subprocess.CalledProcessError when a package cannot be had, RuntimeError without the right Python.
    """
    layers = [_base(), _packages(), _code(code)]
    key = key_of(repr(CONFIG), *(str(layer.descriptor) for layer in layers))

    def make(folder: Path) -> None:
        layout = Layout(folder)
        layout.name(layout.image(layers, architecture="amd64", config=CONFIG), TAG)
        layout.close()

    path = cached("images/gateway", key, make)
    return path, named_digests(path)[TAG]


def _base_tar() -> Path:
    # libstdc++ is what compiled wheels of event loops and parsers may want beside libc.
    packages = (f"python{VERSION}", "ca-certificates", "libstdc++6")
    return root_file_system("gateway", packages, programs=PROGRAMS, unwanted=UNWANTED, extra=EXTRA)


def _base() -> Layer:
    tar = _base_tar()
    return packed(cached("images/gateway-layer", key_of(str(tar)), lambda folder: _pack(tar, folder)))


def _packages() -> Layer:
    tar, requirements = _base_tar(), SOURCE / "requirements.txt"

    def make(folder: Path) -> None:
        site, library = folder / "packages", folder / "stdlib"
        options = [f"--platform={platform}" for platform in PLATFORMS]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        pip += ["--no-deps", "--no-compile", "--only-binary=:all:", f"--python-version={VERSION}", *options]
        subprocess.run([*pip, "--target", str(site), "-r", str(requirements)], check=True)
        for unused in ("bin", "kubernetes/aio"):  # commands; a second client as large as the first
            shutil.rmtree(site / unused, ignore_errors=True)
        for record in site.glob("*.dist-info/RECORD"):  # hashes of those commands, and so this machine's paths
            record.unlink()
        # Debian compiles its library when it is installed; here nothing is, and a read-only root never could.
        with tarfile.open(tar) as archive:
            members = [member for member in archive if member.name.startswith(LIBRARY + "/") and not member.issym()]
            archive.extractall(library, members=members, filter="data")
        _compile(site, as_path="/packages")
        _compile(library / LIBRARY, as_path="/" + LIBRARY)
        compiled = tree(library / LIBRARY, below=LIBRARY, wanted=lambda path: "__pycache__" in path)
        write_layer(folder / "layer.tar", [*tree(site, below="packages"), *compiled])
        shutil.rmtree(site)
        shutil.rmtree(library)
        _pack(folder / "layer.tar", folder)
        (folder / "layer.tar").unlink()

    return packed(cached("images/gateway-packages", key_of(requirements, str(tar), *WRITERS), make))


def _code(code: Path) -> Layer:
    def make(folder: Path) -> None:
        copy = folder / "registry_gateway"
        shutil.copytree(code, copy, ignore=shutil.ignore_patterns("__pycache__"))
        _compile(copy, as_path="/app/registry_gateway")
        write_layer(folder / "layer.tar", [*tree(copy, below="app/registry_gateway"), COMMAND])
        shutil.rmtree(copy)
        _pack(folder / "layer.tar", folder)

    return packed(cached("images/gateway-code", key_of(code, *WRITERS), make))


def _pack(tar: Path, folder: Path) -> None:
    pack(tar, folder)


def _compile(folder: Path, *, as_path: str) -> None:
    """Byte code that carries no times: valid because the files below it never change."""
    same = sys.version_info[:2] == tuple(int(part) for part in VERSION.split("."))
    interpreter = sys.executable if same else shutil.which(f"python{VERSION}")
    if not interpreter:
        raise RuntimeError(f"python{VERSION} is needed to compile what the gateway's image runs")
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", as_path]
    # Packages may carry files for other versions of Python; what cannot be compiled is not imported either.
    command = [interpreter, "-m", "compileall", *options, str(folder)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}  # the order of frozen sets
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, env=environment)


def main() -> None:
    """The command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="gateway_image")
    parser.add_argument("--layout", type=Path, help="link the OCI layout here")
    options = parser.parse_args()
    path, digest = build()
    if options.layout:
        options.layout.parent.mkdir(parents=True, exist_ok=True)
        options.layout.unlink(missing_ok=True)
        options.layout.symlink_to(path)
    print(digest)


if __name__ == "__main__":
    main()
