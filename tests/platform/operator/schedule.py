"""Crontabs with or without seconds, and the thread that fires them. Silent until the first converge is over."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from croniter import croniter

from .life import Life

_FOREVER = 3600.0


def check_crontab(crontab: str) -> None:
    """Raise ValueError unless the text has 5 fields, or 6 with seconds first, and croniter understands it."""
    if len(crontab.split()) not in (5, 6):
        raise ValueError(f"crontab {crontab!r}: 5 or 6 fields expected")
    _iterate(crontab, time.time())


def _iterate(crontab: str, start: float) -> Any:
    return croniter(crontab, start, ret_type=float, second_at_beginning=len(crontab.split()) == 6)


@dataclass
class _Entry:
    times: Any
    next: float
    fire: Callable[[], None]


class Scheduler:
    """Calls back at the times of the crontabs that were added, once it is opened."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._condition = threading.Condition()
        self._entries: dict[Hashable, _Entry] = {}
        self._open = False
        life.on_end(self._wake)
        threading.Thread(target=self._run, name="schedule", daemon=True).start()

    def add(self, key: Hashable, crontab: str, fire: Callable[[], None]) -> None:
        """Begin to call fire(); an entry of the same key is replaced."""
        times = _iterate(crontab, time.time())
        with self._condition:
            self._entries[key] = _Entry(times, next(times), fire)
            self._condition.notify()

    def clear(self) -> None:
        """Forget every entry."""
        with self._condition:
            self._entries.clear()

    def open(self) -> None:
        """The first converge is over: from now on entries fire. Times that have passed are not made up for."""
        with self._condition:
            if self._open:
                return
            self._open = True
            for entry in self._entries.values():
                while entry.next <= time.time():
                    entry.next = next(entry.times)
            self._condition.notify()

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def _run(self) -> None:
        while not self._life.ended:
            with self._condition:
                due = self._take_due() if self._open else []
                if not due:
                    upcoming = [entry.next for entry in self._entries.values()] if self._open else []
                    self._condition.wait(min([_FOREVER, *[max(0.0, at - time.time()) for at in upcoming]]))
                    continue
            for fire in due:
                fire()

    def _take_due(self) -> list[Callable[[], None]]:
        now = time.time()
        due = []
        for entry in self._entries.values():
            if entry.next <= now:
                due.append(entry.fire)
                while entry.next <= now:
                    entry.next = next(entry.times)
        return due
