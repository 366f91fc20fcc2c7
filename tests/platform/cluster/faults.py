"""Addresses that swallow packets, and pairs of machines without a way to each other."""

from __future__ import annotations

from collections.abc import Iterable

from .machine import Machine
from .network import drop


class Blackholes:
    """What is dropped where. A connection that is open when its packets begin to be dropped hangs, as in life."""

    def __init__(self) -> None:
        """Nothing is dropped."""
        self._on: list[tuple[Machine, str, int | None, bool]] = []

    def add(self, target: str, *, port: int | None, machines: Iterable[Machine]) -> None:
        """Drop what the others send to `target` (a machine's name, or any address): at the machine itself if it is
        one of `machines`, else where it is sent. Machines that come later send on to a foreign address."""
        everybody = list(machines)
        own = [each for each in everybody if target in (each.name, each.address)]
        for machine in own or everybody:
            address = machine.address if own else target
            drop(address, port=port, namespace=machine.pid, on=True, local=bool(own))
            self._on.append((machine, address, port, bool(own)))

    def remove(self, target: str) -> None:
        """Let everything through to `target` again."""
        for entry in list(self._on):
            machine, address, port, local = entry
            if target == address or (local and target == machine.name):
                if machine.running:  # one that was switched off meanwhile has lost its rules
                    drop(address, port=port, namespace=machine.pid, on=False, local=local)
                self._on.remove(entry)

    def forget(self, machine: Machine) -> None:
        """A machine was switched off; its rules went with it."""
        self._on = [entry for entry in self._on if entry[0] is not machine]


class Cuts:
    """Pairs of machines that do not reach each other, while everybody else reaches both."""

    def __init__(self) -> None:
        """All reach all."""
        self._between: set[frozenset[Machine]] = set()

    def add(self, one: Machine, other: Machine) -> None:
        """Drop every packet between them; answers on open connections too."""
        self._switch(one, other, on=True)
        self._between.add(frozenset((one, other)))

    def remove(self, one: Machine, other: Machine) -> None:
        """Undo `add`; nothing happens without one."""
        if (pair := frozenset((one, other))) in self._between:
            self._between.remove(pair)
            self._switch(one, other, on=False)

    def forget(self, machine: Machine) -> None:
        """Undo every `add` of a machine that is about to be switched off."""
        for pair in [each for each in self._between if machine in each]:
            self.remove(*pair)

    def _switch(self, one: Machine, other: Machine, *, on: bool) -> None:
        for machine, far in ((one, other), (other, one)):
            drop(far.address, port=None, namespace=machine.pid, on=on, local=False)
