"""The gateway beside its peers: the same requests to each in turn, and figures in relation to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.load import Cost, load
from bench.rounds import alternate, compared
from bench.rows import Row, ratio
from bench.running import Server

OURS = "gateway"


def measure(
    servers: Mapping[str, Server],
    path: str,
    *,
    ca: Path,
    connections: int,
    requests: int,
    rounds: int,
    drop: bool,
    say: Callable[[str], None],
) -> dict[str, list[Cost]]:
    """What serving `path` cost each server, round by round, after a round that is not counted."""

    def subject(server: Server) -> Callable[[], Cost]:
        return lambda: load(server, path, ca=ca, connections=connections, requests=requests, drop=drop)

    subjects = {name: subject(server) for name, server in servers.items()}
    alternate(subjects, rounds=1)  # connections to the registry behind, caches, first-time code
    costs = alternate(subjects, rounds=rounds)
    for name, runs in costs.items():
        busy = median(cost.busy for cost in runs)
        say(f"  {name}: {runs[0].cipher}, {busy:.0%} of its CPU")
    return costs


def ratios(what: str, figures: Mapping[str, Sequence[float]], *, aims: Mapping[str, float]) -> list[Row]:
    """Ours to each peer's, held against the peer's aim if there is one."""
    return [
        ratio(f"{what}.{OURS}_to_{name}", compared(figures[OURS], values), aim=aims.get(name))
        for name, values in figures.items()
        if name != OURS
    ]


def say_spread(figures: Mapping[str, Sequence[float]], say: Callable[[str], None]) -> None:
    """How far the rounds differ: a verdict that lies within it takes a quieter machine."""
    for name, values in figures.items():
        if name != OURS:
            found = sorted(ours / theirs for ours, theirs in zip(figures[OURS], values, strict=True))
            say(f"  {OURS} to {name}: {found[0]:.3g} to {found[-1]:.3g} in {len(found)} rounds")
