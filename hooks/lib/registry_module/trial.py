"""What is remembered of trying a route: the one that was good, who keeps failing, and whether the wave was returned."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Callable, TypeVar

from . import names
from .upstream import Upstream, host_error

FORMAT = "%Y-%m-%dT%H:%M:%SZ"
MAX_WHY = 1000
"""Characters of what nodes said."""
_Part = TypeVar("_Part")


@dataclass(frozen=True)
class Good:
    """`State.node_routes` and `gateways_first` that all Ready nodes have pulled by."""

    routes: tuple[Upstream, ...]
    gateways_first: bool

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Good:
        routes = tuple(Upstream.from_dict(route) for route in data["routes"])
        if any(route.scheme not in ("http", "https") or host_error(route.host) for route in routes):
            raise ValueError("no route")  # it would get to nodes
        return Good(routes, data["gatewaysFirst"] is True)


@dataclass(frozen=True)
class Failing:
    """Nodes, at most ten, that have failed by the new route at each look since then."""

    since: str
    nodes: tuple[str, ...]

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Failing:
        return Failing(_time(data["since"]), tuple(str(name) for name in data["nodes"])[: names.MAX_NAMES])


@dataclass(frozen=True)
class Returned:
    """The wave that was returned, when, and what its nodes said."""

    wave: str
    at: str
    why: str

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Returned:
        return Returned(str(data["wave"]), _time(data["at"]), str(data["why"])[:MAX_WHY])


@dataclass(frozen=True)
class Trial:
    """`good`: None when nodes had no route, or nobody knows. `returned`: nodes are told the good one until it goes."""

    good: Good | None = None
    failing: Failing | None = None
    returned: Returned | None = None

    def anew(self) -> Trial:
        """What is left when the route is to be tried from the beginning, or another one."""
        return Trial(self.good)

    def to_dict(self) -> dict[str, Any]:
        good, failing, returned = self.good, self.failing, self.returned
        routes = (
            {"routes": [route.to_dict() for route in good.routes], "gatewaysFirst": good.gateways_first} if good else {}
        )
        return {
            "good": routes,
            "failing": {"since": failing.since, "nodes": list(failing.nodes)} if failing else {},
            "returned": {"wave": returned.wave, "at": returned.at, "why": returned.why} if returned else {},
        }

    @staticmethod
    def from_dict(data: Any) -> Trial:
        """Never raises: a part that is missing or broken is forgotten. At worst the route is tried again at once."""
        parts = data if isinstance(data, dict) else {}
        return Trial(
            _read(Good.from_dict, parts.get("good")),
            _read(Failing.from_dict, parts.get("failing")),
            _read(Returned.from_dict, parts.get("returned")),
        )


def _read(read: Callable[[dict[str, Any]], _Part], data: Any) -> _Part | None:
    try:
        return read(data) if data else None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def _time(text: Any) -> str:
    time = dt.datetime.strptime(text, FORMAT)
    time + dt.timedelta(days=1)  # what is added to it has to fit as well
    return time.strftime(FORMAT)


def later(time: str, seconds: int) -> str:
    """`time` and so many seconds."""
    return (dt.datetime.strptime(time, FORMAT) + dt.timedelta(seconds=seconds)).strftime(FORMAT)


def is_within(now: str, since: str, seconds: int) -> bool:
    """Whether less than so many seconds have gone by; not when the clock was set back behind `since`."""
    return since <= now < later(since, seconds)
