"""The times by which replicas live, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """`live`: without an answer, until a replica does not count any more. `ping`: between two questions whether it is
    there; an answer may take half of `live`. `deadline`: for a majority to have a change; peers copy the layers of
    an image meanwhile. `again`: until a peer that did not answer, and still counts, is told again. `interval`: between
    two comparisons; a peer that returns is compared with at once. `absent`: until peers are asked again for content
    that none of them had.
    """

    live: float = 10.0
    ping: float = 3.0
    deadline: float = 300.0
    again: float = 0.5
    interval: float = 60.0
    absent: float = 3600.0


TIMES = Times()
