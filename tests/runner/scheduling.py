"""Files to workers, and nothing lost when a worker dies.

xdist 3.8 gives out again what a dead worker had finished, as units without a test; nobody can finish those, and at the
end of the run all workers wait for each other for ever (its issue 1378). It also starts the replacement with the test
that killed the first one. Here only tests that were not begun go back; the one that was running has failed.
"""

from __future__ import annotations

import contextlib

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class Files(LoadFileScheduling):
    """`--dist loadfile`; what a dead worker had left is done by the others."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Return the test that was running when `node` died, None if it had nothing left to do."""
        left = [
            (file, [test for test, done in tests.items() if not done])
            for file, tests in self.assigned_work.pop(node).items()
        ]
        left = [(file, tests) for file, tests in left if tests]
        if not left:
            return None
        crashed = left[0][1].pop(0)
        self.workqueue.update((file, dict.fromkeys(tests, False)) for file, tests in left if tests)
        self._give()
        return crashed

    def schedule(self) -> None:
        """As xdist does; a worker that comes later gets its second unit too, or it waits for one before it begins."""
        late = self.collection is not None
        super().schedule()
        if late:
            self._give()

    def _assign_work_unit(self, node: WorkerController) -> None:
        with contextlib.suppress(OSError):  # it died a moment ago; the unit is its own, and `remove_node` is next
            super()._assign_work_unit(node)

    def _give(self) -> None:
        for node in self.assigned_work:
            self._reschedule(node)
