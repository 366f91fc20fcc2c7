"""The gateway's image: what is in it, what is not, and that it starts as its user on its own files alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.oci.gateway_image import SOURCE, TAG, USER, build

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(300),  # the first build fetches packages
    pytest.mark.skipif(os.geteuid() != 0, reason="Debian packages are unpacked and run by chroot"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layout, _ = build()
    bundle = tmp_path_factory.mktemp("image") / "bundle"
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:{TAG}", str(bundle)], check=True, capture_output=True)
    return bundle / "rootfs"


def in_image(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs what the image's configuration would run, as its user, with its environment only."""
    config = json.loads((root.parent / "config.json").read_text())
    variables = dict(entry.split("=", 1) for entry in config["process"]["env"])
    user = config["process"]["user"]
    chroot = [shutil.which("chroot") or "chroot", f"--userspec={user['uid']}:{user['gid']}", str(root)]
    return subprocess.run([*chroot, *command], env=variables, capture_output=True, text=True, check=False, timeout=30)


def test_program_and_every_package_can_be_imported_by_the_image_s_user(root: Path) -> None:
    script = (
        "import os, ssl, aiohttp, uvloop, cryptography.x509, kubernetes.client, prometheus_client, registry_gateway\n"
        "print(os.getuid(), len(ssl.create_default_context().get_ca_certs()) > 100)"
    )
    result = in_image(root, "/usr/bin/python3", "-c", script)
    assert (result.stdout, result.stderr) == (f"{USER} True\n", "")


def test_modules_are_compiled_before_they_get_there(root: Path) -> None:
    script = (
        "import importlib.util as u; print([u.find_spec(m).cached for m in ('json', 'aiohttp', 'registry_gateway')])"
    )
    cached = in_image(root, "/usr/bin/python3", "-c", script).stdout
    assert [(root / path.strip("' /")).is_file() for path in cached.strip("[]\n").split(",")] == [True] * 3


def test_the_command_of_the_documents_is_there(root: Path) -> None:
    result = in_image(root, "/usr/bin/registry-gateway", "explain", "--config=/nowhere", ":v1")
    assert (result.returncode, result.stdout) == (2, "configuration: config.json: is missing\n")
    assert in_image(root, "/usr/bin/registry-gateway", "version").stdout.count(".") == 2


def test_there_is_no_program_but_python_and_ours(root: Path) -> None:
    programs = [path for folder in ("bin", "sbin", "usr/bin", "usr/sbin") for path in (root / folder).glob("*")]
    assert sorted(path.name for path in programs) == ["python3", "python3.11", "registry-gateway"]


def test_nothing_of_the_building_machine_is_inside(root: Path) -> None:
    assert [name for name in ("etc/resolv.conf", "etc/hostname", "etc/apt") if (root / name).exists()] == []
    # An installer's records hold hashes of commands whose first line is the path of this machine's interpreter.
    assert list((root / "packages").rglob("RECORD")) == []


def test_nothing_gains_rights_or_can_be_written_but_tmp(root: Path) -> None:
    modes = {path: path.lstat().st_mode for path in root.rglob("*") if not path.is_symlink()}
    risky = [str(path.relative_to(root)) for path, mode in modes.items() if mode & 0o6000 or mode & 0o002]
    assert risky == ["tmp"]


@pytest.mark.long  # builds everything but the Debian packages again
def test_second_build_gives_the_same_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "registry_gateway"  # a copy: sources may be edited while this runs
    shutil.copytree(SOURCE / "registry_gateway", code, ignore=shutil.ignore_patterns("__pycache__"))
    _, first = build(code)
    monkeypatch.setenv("REGISTRY_MODULE_CACHE", str(tmp_path / "cache"))
    _, second = build(code)
    assert first == second
