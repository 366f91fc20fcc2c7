"""Task queues: each its own thread, a failing task stays at the head and is tried again (hook contract, section 7)."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .life import Killed, Life
from .log import Log

_FIRST_DELAY = 5.0
_MAX_DELAY = 32.0
_REPEAT_PAUSE = 0.05


def retry_delay(failures: int) -> float:
    """Seconds before the next try: 5 s after the first failure, about 6.5 s, … and 32 s from the seventh on."""
    if failures <= 1:
        return _FIRST_DELAY
    exponential: float = 2.0 ** min(failures - 2, 10)
    return min(_FIRST_DELAY + exponential + random.random(), _MAX_DELAY)


@dataclass(eq=False)
class Repeat:
    """A task's answer: not done yet; run `before` first, then the task again. It is no failure."""

    before: Sequence["Task"] = ()


@dataclass(eq=False)
class Task:
    """Something to do in a queue. run() raises to be tried again later."""

    title: str
    run: Callable[[], Repeat | None]
    failures: int = field(default=0, init=False)
    error: str = field(default="", init=False)
    running: bool = field(default=False, init=False)


class Queue:
    """Runs its tasks one after the other. The task at work stays at the head until it is done."""

    def __init__(self, name: str, *, life: Life, log: Log, time_scale: float) -> None:
        """`time_scale` multiplies the retry delays; 1.0 is the platform's pace."""
        self.name = name
        self._life, self._log, self._time_scale = life, log, time_scale
        self._tasks: list[Task] = []
        self._condition = threading.Condition()
        self._hurried = False
        life.on_end(self._wake)
        self.thread = threading.Thread(target=self._work, name=f"queue {name}", daemon=True)
        self.thread.start()

    def append(self, task: Task) -> None:
        """Put a task at the end."""
        with self._condition:
            self._tasks.append(task)
            self._condition.notify_all()

    def tasks(self) -> list[Task]:
        """What waits, the task at work first."""
        with self._condition:
            return list(self._tasks)

    def take_following(self, task: Task, accept: Callable[[Task], bool]) -> list[Task]:
        """Remove and return the tasks right behind `task` for as long as accept() agrees."""
        with self._condition:
            first = self._tasks.index(task) + 1
            last = first
            while last < len(self._tasks) and accept(self._tasks[last]):
                last += 1
            taken, self._tasks[first:last] = self._tasks[first:last], []
            return taken

    def remove(self, unwanted: Callable[[Task], bool]) -> None:
        """Drop tasks that are not at work; one that waits for its next try is dropped too."""
        with self._condition:
            self._tasks = [task for task in self._tasks if task.running or not unwanted(task)]
            self._condition.notify_all()

    def hurry(self) -> None:
        """End the delay before the next try."""
        with self._condition:
            self._hurried = True
            self._condition.notify_all()

    def error(self) -> str:
        """Why the head of the queue failed last; empty when it did not."""
        with self._condition:
            return self._tasks[0].error if self._tasks else ""

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def _work(self) -> None:
        try:
            while True:
                self._step(self._head())
        except Killed:
            return

    def _head(self) -> Task:
        with self._condition:
            while not self._tasks:
                self._life.check()
                self._condition.wait()
            self._life.check()
            self._tasks[0].running = True
            return self._tasks[0]

    def _step(self, task: Task) -> None:
        try:
            result = task.run()
        except Exception as error:  # whatever went wrong, the platform tries again
            task.failures += 1
            task.error = str(error)
            delay = retry_delay(task.failures) * self._time_scale
            self._log.error("task failed", queue=self.name, task=task.title, error=task.error, retryIn=round(delay, 2))
            self._pause(task, delay)
            return
        if result is None:
            with self._condition:
                self._tasks.remove(task)
                task.running = False
                self._condition.notify_all()
            return
        with self._condition:
            task.running = False
            place = self._tasks.index(task)
            self._tasks[place:place] = result.before
        if not result.before:
            self._life.sleep(_REPEAT_PAUSE)

    def _pause(self, task: Task, delay: float) -> None:
        until = time.monotonic() + delay
        with self._condition:
            task.running, self._hurried = False, False
            while task in self._tasks and not self._hurried and time.monotonic() < until:
                self._life.check()
                self._condition.wait(until - time.monotonic())
