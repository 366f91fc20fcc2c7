"""Root file systems from Debian packages, as small as their dependencies allow."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

from tools.oci import layers
from tools.oci.cache import cached, key_of
from tools.oci.layers import Entry, filter_layer

SUITE = "bookworm"
BUNDLE = "etc/ssl/cert.pem"
"""Trusted authorities in these images; Go's programs look there by themselves, others by SSL_CERT_FILE."""
_SHARED = ("bash-completion", "bug", "doc", "debconf", "info", "lintian", "locale", "man", "menu", "perl5")
UNWANTED = (
    *("dev/", "run/", "var/cache/", "var/lib/apt/", "etc/apt/", "etc/cron.daily/"),
    *("etc/hostname/", "etc/hosts/", "etc/resolv.conf/"),  # copies of the building machine's
    *(f"usr/share/{name}/" for name in _SHARED),
)


_PROGRAMS = ("bin/", "sbin/", "usr/bin/", "usr/sbin/")


def root_file_system(
    name: str,
    packages: Sequence[str],
    *,
    programs: Collection[str],
    unwanted: Sequence[str],
    extra: Sequence[Entry] = (),
) -> Path:
    """A layer (tar) with `packages` and what they depend on, cached by the versions that apt would install now.

    Of programs only those at the paths `programs` stay; of the rest nothing below the paths `unwanted`, nor
    documentation, locales and apt's own files. `extra` is added, in the place of what the packages have there.
    Packages are extracted, not installed: no maintainer script runs, so the bundle of trusted certificates is put
    together here. Mirrors are those of this machine's apt. Raises subprocess.CalledProcessError when mmdebstrap or
    apt fails.
    """
    candidates = _run("apt-cache", "policy", *packages)
    versions = [line.strip() for line in candidates.splitlines() if "Candidate:" in line]
    code = (Path(__file__), Path(layers.__file__))
    key = key_of(SUITE, repr((packages, sorted(programs), unwanted, extra)), *versions, *code)
    replaced = {entry.name for entry in extra} | {BUNDLE}

    def wanted(path: str) -> bool:
        if path in replaced or f"{path}/".startswith((*UNWANTED, *unwanted)):
            return False
        return path in programs or f"{path}/" in _PROGRAMS or not path.startswith(_PROGRAMS)

    def make(folder: Path) -> None:
        raw = folder / "raw.tar"
        sources = _run("apt-get", "indextargets", "--format", _SOURCE, "Created-By: Packages", "Origin: Debian")
        command = ["mmdebstrap", "--quiet", "--variant=extract", "--mode=root", f"--include={','.join(packages)}"]
        subprocess.run([*command, SUITE, str(raw), "-"], input=sources, text=True, check=True)
        certificates = Entry(BUNDLE, _bundle(raw), mode=0o644)
        filter_layer(raw, folder / "layer.tar", wanted=wanted, extra=[certificates, *extra])
        raw.unlink()

    return cached(f"images/{name}-base", key, make) / "layer.tar"


_SOURCE = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"


def _bundle(tar: Path) -> bytes:
    command = [
        "tar",
        "--extract",
        "--to-stdout",
        "--wildcards",
        "--file",
        str(tar),
        "./usr/share/ca-certificates/*.crt",
    ]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
