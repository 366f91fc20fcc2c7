"""Reading a JSON document field by field: every complaint names the field's path, none shows a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Result = TypeVar("Result")


class Fields:
    """One object of the document. Complaints of all objects gather in one list, so that all are told at once."""

    def __init__(self, value: Any, *, path: str = "", complaints: list[str] | None = None) -> None:
        self.complaints: list[str] = [] if complaints is None else complaints
        self._path = path
        self._value: dict[str, Any] = {}
        if isinstance(value, dict):
            self._value = value
        else:
            self.complain("", "must be an object")

    def complain(self, name: str, reason: str) -> None:
        """Note that the field `name` ("" = the object itself) is wrong."""
        where = ".".join(part for part in (self._path, name) if part)
        self.complaints.append(f"{where or 'document'}: {reason}")

    def text(
        self, name: str, *, default: str | None = None, allowed: Callable[[str], bool] | None = None, form: str = ""
    ) -> str:
        """A string; without `default` it must be there. `allowed` tests it, `form` says what it must be."""
        value = self._value.get(name, default)
        if not isinstance(value, str):
            self.complain(name, "must be a string" if name in self._value else "is missing")
            return ""
        if allowed is not None and not allowed(value):
            self.complain(name, f"must be {form}")
            return ""
        return value

    def texts(self, name: str, *, allowed: Callable[[str], bool], form: str) -> tuple[str, ...]:
        """A list of strings; absent is empty. `allowed` tests each, `form` says what it must be."""
        values = self._value.get(name, [])
        if not isinstance(values, list):
            self.complain(name, "must be a list")
            return ()
        for number, value in enumerate(values):
            if not isinstance(value, str) or not allowed(value):
                self.complain(f"{name}[{number}]", f"must be {form}")
        return tuple(value for value in values if isinstance(value, str))

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean."""
        value = self._value.get(name, default)
        if not isinstance(value, bool):
            self.complain(name, "must be true or false")
            return default
        return value

    def number(self, name: str, *, default: int | None = None) -> int:
        """An integer; without `default` it must be there."""
        value = self._value.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            self.complain(name, "must be an integer" if name in self._value else "is missing")
            return 0
        return value

    def object(self, name: str) -> Fields | None:
        """An object, or None when it is null or absent."""
        value = self._value.get(name)
        return None if value is None else self._nested(name, value)

    def objects(self, name: str, build: Callable[[Fields], Result]) -> tuple[Result, ...]:
        """A list of objects, each made by `build`; absent is empty."""
        value = self._value.get(name, [])
        if not isinstance(value, list):
            self.complain(name, "must be a list")
            return ()
        return tuple(build(entry) for entry in self._each(name, value))

    def _each(self, name: str, values: list[Any]) -> Iterator[Fields]:
        for number, value in enumerate(values):
            yield self._nested(f"{name}[{number}]", value)

    def _nested(self, name: str, value: Any) -> Fields:
        path = f"{self._path}.{name}" if self._path else name
        return Fields(value, path=path, complaints=self.complaints)
