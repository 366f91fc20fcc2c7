"""The operator's log: text lines to a file and a callback, so that tests can search every line for secrets."""

import datetime
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_LINE = 10_000
"""Longest line taken from a hook's stdout or stderr, in characters (hook contract, section 4)."""


class Log:
    """Collects log lines; safe to use from any thread."""

    def __init__(self, *, path: Path | None = None, callback: Callable[[str], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._callback = callback
        self._file = path.open("a", encoding="utf-8") if path else None

    def write(self, level: str, message: str, /, **fields: Any) -> None:
        """Write one line: time, level, message, then the fields as JSON. After close() only the callback is served."""
        stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        tail = " " + json.dumps(fields, default=str, ensure_ascii=False) if fields else ""
        line = f"{stamp} {level} {message}{tail}"
        with self._lock:
            if self._file:
                self._file.write(line + "\n")
                self._file.flush()
        if self._callback:
            self._callback(line)

    def info(self, message: str, /, **fields: Any) -> None:
        """Write a line of level INFO."""
        self.write("INFO", message, **fields)

    def warning(self, message: str, /, **fields: Any) -> None:
        """Write a line of level WARNING."""
        self.write("WARNING", message, **fields)

    def error(self, message: str, /, **fields: Any) -> None:
        """Write a line of level ERROR."""
        self.write("ERROR", message, **fields)

    def hook_output(self, hook: str, stream: str, text: str) -> None:
        """Write what a hook printed: JSON lines become fields, long lines are cut (hook contract, section 4)."""
        for raw in text.splitlines():
            line = raw[:MAX_LINE]
            try:
                parsed = json.loads(line)
            except ValueError:
                parsed = None
            fields = parsed if isinstance(parsed, dict) else {"msg": line}
            self.write("HOOK", "", **{**fields, "hook": hook, "output": stream})

    def close(self) -> None:
        """Close the file; later lines reach the callback only."""
        with self._lock:
            if self._file:
                self._file.close()
                self._file = None
