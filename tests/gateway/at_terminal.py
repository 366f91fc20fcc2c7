"""The commands for a person, run in this process on a configuration of the test."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from registry_gateway import cli


class Terminal:
    """Runs commands on `folder`; `code` is the last exit code, `said` all that was printed so far."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.code, self.said = -1, ""

    def configure(self, files: Mapping[str, str]) -> None:
        """Put `files` (keys of the Secret) in place."""
        for name, content in files.items():
            (self.folder / name).write_text(content)

    async def run(self, command: str, *arguments: str) -> str:
        """What the command prints; it runs in a thread, so that servers of the test's loop can answer."""
        try:
            self.code = await asyncio.to_thread(cli.main, [command, *arguments, "--config", str(self.folder)])
        finally:
            logging.disable(logging.NOTSET)
        printed = self._capsys.readouterr()
        self.said += printed.out + printed.err
        return printed.out

    async def json(self, command: str, *arguments: str) -> Any:
        """The same with `--json`, parsed."""
        return json.loads(await self.run(command, *arguments, "--json"))
