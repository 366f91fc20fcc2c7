"""Certificates and servers shared by the gateway's tests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from tests.gateway.at_terminal import Terminal
from tests.gateway.material import Material


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of the product: errors of TLS and of sockets look different in asyncio's own."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """One set of authorities and certificates for the whole run: making them costs time and they do not change."""
    return Material.make(tmp_path_factory.mktemp("material"))


@pytest.fixture
def server_tls(material: Material) -> ssl.SSLContext:
    """The context of an upstream on the loopback address."""
    return material.server_context()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the test's own."""
    return tmp_path


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """A person at a terminal, with a configuration of the test's own."""
    folder = tmp_path / "config"
    folder.mkdir()
    return Terminal(folder, capsys)
