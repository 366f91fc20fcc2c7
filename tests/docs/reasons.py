"""Every reason a condition can have, read from the code itself: a page that lists them cannot fall behind unnoticed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from lib.registry_module.stages import STAGES

CORE = Path(__file__).parents[2] / "hooks/lib/registry_module"
MODULES = ("checks.py", "node_checks.py", "informing.py", "pull_proof.py", "settings.py", "switch.py", "conditions.py")
PLACE = {"passed": 0, "waiting": 0, "unknown": 0, "Verdict": 1}
"""Position of the reason among the arguments of what makes a verdict."""


class UnknownReasonError(AssertionError):
    """An expression this reader does not understand: it must learn, or a reason would be missed."""


def in_code() -> set[str]:
    """The reasons of all conditions."""
    return {reason for name in MODULES for reason in _Module(CORE / name).reasons() if reason}


class _Module:
    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.constants = dict(_assigned(self.tree.body))

    def reasons(self) -> Iterator[str]:
        yield from self._within(self.tree, {}, frozenset())

    def _within(self, node: ast.AST, local: dict[str, ast.expr], given: frozenset[str]) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                parameters = child.args
                names = (a.arg for a in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs))
                yield from self._within(child, dict(_assigned(ast.walk(child))), frozenset(names))
                continue
            if isinstance(child, ast.Call):
                expression = _reason_of(child)
                if expression is not None:
                    yield from self._texts(expression, local, given)
            yield from self._within(child, local, given)

    def _texts(self, node: ast.expr, local: dict[str, ast.expr], given: frozenset[str]) -> Iterator[str]:
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Name(id=name) if name in local or name in self.constants:
                yield from self._texts(local[name] if name in local else self.constants[name], local, given)
            case ast.Name(id=name) if name in given:
                return  # handed in by a caller, whose call is looked at itself
            case ast.IfExp(body=body, orelse=other):
                yield from self._texts(body, local, given)
                yield from self._texts(other, local, given)
            case ast.Dict(values=values):
                for value in values:
                    yield from self._texts(value, local, given)
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[_, *default]):
                for part in (table, *default):
                    yield from self._texts(part, local, given)
            case ast.Attribute(attr="name"):
                yield from (stage.name for stage in STAGES)
            case ast.Attribute(attr="reason"):
                return  # of another verdict, which was looked at where it was made
            case _:
                raise UnknownReasonError(f"{self.name}:{node.lineno}: what reason is `{ast.unparse(node)}`?")


def _assigned(nodes: Iterator[ast.AST] | list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _reason_of(call: ast.Call) -> ast.expr | None:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    for keyword in call.keywords:
        if keyword.arg == "reason":
            return keyword.value
    place = PLACE.get(name)
    return call.args[place] if place is not None and len(call.args) > place else None
