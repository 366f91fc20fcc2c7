"""The command line: version, check, options."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from registry_gateway import __version__, cli
from registry_gateway.listeners import parse_address
from tests.gateway.material import Material
from tests.support.distribution import Basic, distribution
from tests.support.fault_server import FaultServer, Reply
from tests.support.gateway import PACKAGE, config, free_port, gateway, upstream
from tests.support.images import build_image, push_image


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    # As in the gateway's image: no shell, no home, hardly an environment.
    environment = {"PYTHONPATH": str(PACKAGE)}
    return subprocess.run(
        [sys.executable, "-m", "registry_gateway", *arguments], env=environment, capture_output=True, text=True
    )


def test_the_version_is_printed() -> None:
    done = command("version")
    assert (done.returncode, done.stdout.strip()) == (0, __version__)


def test_a_check_at_the_terminal_says_what_is_wrong(material: Material, folder: Path) -> None:
    route = upstream(f"127.0.0.1:{free_port()}", user="u", password="s3cr3t-marker")
    check = {"version": "c", "upstream": route, "images": [{"name": "deckhouse", "reference": "v1"}]}
    for name, content in material.files(config([route], check=check)).items():
        (folder / name).write_text(content)
    done = command("check", "--config", str(folder))
    assert done.returncode == 1
    assert f"images: 0 of 1 present at {route['host']}\n  deckhouse (v1): Unreachable: " in done.stdout
    as_json = command("check", "--config", str(folder), "--json")
    assert json.loads(as_json.stdout)["upstreams"][0]["reason"] == "Unreachable"
    assert "s3cr3t-marker" not in done.stdout + done.stderr + as_json.stdout + as_json.stderr


def test_a_real_registry_is_checked_and_its_image_explained(material: Material, folder: Path) -> None:
    image = build_image(folder / "layout", layers=[{"a": b"b"}], platforms=("linux/amd64", "linux/arm64"))
    with distribution(folder / "registry", tls=material.server, auth=Basic({"reader": "s3cr3t-marker"})) as registry:
        login = {"user": "reader", "password": "s3cr3t-marker", "ca": material.ca.cert}
        push_image(image, address=registry.address, repository="deckhouse/ee/x", tag="v1", **login)
        for name, content in material.files(config([upstream(registry.address, **login)])).items():
            (folder / name).write_text(content)
        explained = command("explain", "registry.d8-system.svc:5001/system/deckhouse/x:v1", "--config", str(folder))
        checked = command("check", "--image", f"x={image.digest}", "--config", str(folder))
    assert (explained.returncode, explained.stderr) == (0, "")
    assert f"{registry.address}, user reader, by password\n" in explained.stdout
    assert f"200, {image.digest}, " in explained.stdout
    here = explained.stdout.count(f" present, {registry.address}\n")
    assert here == 1 + len(image.manifests) + len(image.configs) + 2 * len(image.layers)
    assert checked.returncode == 1  # that repository has it, the base has not
    assert f"answered 404 for deckhouse/ee@{image.digest}" in checked.stdout
    assert "s3cr3t-marker" not in explained.stdout + checked.stdout + checked.stderr


def test_a_check_of_a_wrong_configuration_names_the_field(material: Material, folder: Path) -> None:
    for name, content in material.files("{}").items():
        (folder / name).write_text(content)
    done = command("check", "--config", str(folder))
    assert done.returncode == 2
    assert "version: is missing" in done.stdout


async def test_ctrl_c_ends_a_command_without_a_fuss(material: Material, folder: Path) -> None:
    asked = asyncio.Event()

    def behaviour(_: object) -> Reply:
        asked.set()
        return Reply(silent=True)

    async with FaultServer(behaviour) as server:
        for name, content in material.files(config([upstream(server.address, scheme="http")])).items():
            (folder / name).write_text(content)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "registry_gateway", "explain", "v1", "--config", str(folder)),
            env={"PYTHONPATH": str(PACKAGE)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(30):
            await asked.wait()
            process.send_signal(signal.SIGINT)
            output, _ = await process.communicate()
    assert (process.returncode, output) == (130, b"")


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000", 4), ("100000 100000", 1), ("150000 100000", 2), ("10000 100000", 1), ("", 4)]
)
def test_workers_follow_the_cpu_limit(quota: str, most: int, folder: Path) -> None:
    (folder / "cpu.max").write_text(quota)
    cpus = len(os.sched_getaffinity(0))
    assert cli.automatic_workers(folder / "cpu.max") == min(most, cpus)


@pytest.mark.parametrize(
    ("text", "address"), [("127.0.0.1:5001", ("127.0.0.1", 5001)), ("[::1]:5001", ("::1", 5001)), ("h:0", ("h", 0))]
)
def test_addresses_are_read(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "5001", ":5001", "host:", "host:x", "host:70000"])
def test_malformed_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(text)


def test_limits_on_the_command_line_hold_in_the_workers(material: Material, folder: Path) -> None:
    options = ("--connections-per-client", "1")
    with gateway(folder, material.files(config([])), workers=1, options=options) as running:
        host, _, port = running.address.rpartition(":")
        with socket.create_connection((host, int(port))), socket.create_connection((host, int(port))) as second:
            second.settimeout(30)
            assert second.recv(1) == b""
        assert running.metric("registry_access_closed_connections_total") >= 1
