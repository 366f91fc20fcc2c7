"""A hook: its configuration, and one run of it with the files and variables of hook contract, section 4."""

import itertools
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .binding_config import BindingConfigError, HookConfig, parse
from .discovery import has_own_python
from .life import Finished, Life
from .log import Log
from .ratelimit import RateLimit
from .sandbox import Sandbox

_INPUTS = ("BINDING_CONTEXT_PATH", "VALUES_PATH", "CONFIG_VALUES_PATH")
_OUTPUTS = ("VALUES_JSON_PATCH_PATH", "CONFIG_VALUES_JSON_PATCH_PATH", "METRICS_PATH", "KUBERNETES_PATCH_PATH")


class HookError(Exception):
    """A hook could not be loaded, ended with a code other than 0, or wrote something unreadable."""


@dataclass(frozen=True)
class Output:
    """What one successful run asks for."""

    metrics: list[dict[str, Any]] = field(default_factory=list)
    operations: list[dict[str, Any]] = field(default_factory=list)
    config_patch: list[dict[str, Any]] = field(default_factory=list)
    values_patch: list[dict[str, Any]] = field(default_factory=list)


class Hook:
    """One executable below hooks/ of one module."""

    _numbers = itertools.count(1)

    def __init__(self, *, path: Path, module_dir: Path, sandbox: Sandbox, workdir: Path, life: Life, log: Log) -> None:
        self.path = path
        self.name = str(path.relative_to(module_dir))
        self._module_dir = module_dir
        self._sandbox, self._workdir, self._life, self._log = sandbox, workdir, life, log
        self.config = self._load()
        self.limit = RateLimit(interval=self.config.min_interval, burst=self.config.burst)

    def _load(self) -> HookConfig:
        # An executable without extension is asked first whether it holds Go hooks (hook contract, section 1).
        if not self.path.suffix and self._execute({}, ["hook", "list"]).code == 0:
            raise HookError(f"{self.name}: Go batch hooks are not served by this operator")
        finished = self._execute({}, ["--config"])
        if finished.code != 0:
            # The platform shows no more than this; the traceback is lost (hook contract, section 12, row 1).
            raise HookError(f"{self.name} --config: exit status {finished.code}")
        try:
            config = parse(finished.stdout)
        except BindingConfigError as error:
            raise HookError(f"{self.name} --config: {error}") from error
        for binding in config.not_served:
            self._log.warning("binding is not served to module hooks", hook=self.name, binding=binding)
        return config

    def run(self, contexts: Sequence[dict[str, Any]], values: dict[str, Any], config_values: dict[str, Any]) -> Output:
        """Run it. Raises HookError; then nothing it wrote is read."""
        inputs = dict(zip(_INPUTS, (list(contexts), values, config_values), strict=True))
        outputs: dict[str, str] = {}
        finished = self._execute(inputs, [], outputs)
        self._log.hook_output(self.name, "stdout", finished.stdout)
        self._log.hook_output(self.name, "stderr", finished.stderr)
        if finished.code != 0:
            raise HookError(f"{self.name}: exit status {finished.code}: {finished.stderr.strip()}")
        return Output(
            metrics=self._documents("METRICS_PATH", outputs),
            operations=self._documents("KUBERNETES_PATCH_PATH", outputs),
            config_patch=self._documents("CONFIG_VALUES_JSON_PATCH_PATH", outputs),
            values_patch=self._documents("VALUES_JSON_PATCH_PATH", outputs),
        )

    def _execute(self, inputs: dict[str, Any], arguments: list[str], outputs: dict[str, str] | None = None) -> Finished:
        scratch = Path(tempfile.mkdtemp(prefix=f"{self.path.stem}-{next(self._numbers)}-", dir=self._workdir))
        try:
            place = self._sandbox.place(scratch)
            environment = dict(place.environment)
            for variable, content in inputs.items():
                (scratch / variable.lower()).write_text(json.dumps(content), encoding="utf-8")
            for variable in _OUTPUTS if inputs else ():
                (scratch / variable.lower()).touch()
            if inputs:
                environment.update({name: str(place.scratch / name.lower()) for name in (*_INPUTS, *_OUTPUTS)})
            program = [str(place.module / self.name)]
            if has_own_python(self._module_dir) and self.path.suffix == ".py":
                environment["PYTHONHOME"] = str(place.module / "hooks/venv")
                program.insert(0, str(place.module / "hooks/venv/bin/python3"))
            finished = self._life.run([*place.command, *program, *arguments], env=environment, cwd=place.cwd)
            if outputs is not None:
                outputs.update({name: (scratch / name.lower()).read_text(encoding="utf-8") for name in _OUTPUTS})
            return finished
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _documents(self, variable: str, outputs: dict[str, str]) -> list[dict[str, Any]]:
        """The objects in a result file: JSON values one after the other, arrays of them, or YAML documents."""
        try:
            found = list(_decode(outputs[variable]))
        except ValueError as error:
            raise HookError(f"{self.name}: {variable}: {error}") from None
        if not all(isinstance(item, dict) for item in found):
            raise HookError(f"{self.name}: {variable}: objects expected")
        return found


def _decode(text: str) -> list[Any]:
    decoder, position, found = json.JSONDecoder(), 0, []
    text = text.strip()
    try:
        while position < len(text):
            value, position = decoder.raw_decode(text, position)
            found += value if isinstance(value, list) else [value]
            while position < len(text) and text[position].isspace():
                position += 1
    except ValueError:
        try:
            return [document for document in yaml.safe_load_all(text) if document is not None]
        except yaml.YAMLError:
            raise ValueError("neither JSON nor YAML") from None  # the text may hold a secret: not in the message
    return found
