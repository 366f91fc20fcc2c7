"""Fixtures of the node tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.node.sandbox import Sandbox


@pytest.fixture
def node(tmp_path: Path) -> Sandbox:
    """A node in a folder, with two living gateways and a stock containerd 1.7 that has config_path."""
    return Sandbox(tmp_path)
