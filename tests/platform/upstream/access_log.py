"""What a registry's access log tells: who asked for what, and how many bytes went out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# distribution writes the combined log format of Apache httpd between its own lines.
_LINE = re.compile(
    r'^(?P<client>\S+) \S+ \S+ \[[^]]+\] "(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[0-9.]+" '
    r'(?P<status>[0-9]{3}) (?P<size>[0-9]+|-) "[^"]*" "(?P<agent>[^"]*)"',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Access:
    """One answered request; `size` is the bytes of the body sent, `client` the address without port."""

    client: str
    method: str
    path: str
    status: int
    size: int
    agent: str


@dataclass(frozen=True)
class Traffic:
    """A sum over requests; `egress` in bytes."""

    requests: int
    egress: int


def accesses(log: str) -> Iterator[Access]:
    """The requests in the text of a log, in order."""
    for found in _LINE.finditer(log):
        size = found["size"]
        client = found["client"].rpartition(":")[0] or found["client"]
        yield Access(
            client,
            found["method"],
            found["path"],
            int(found["status"]),
            0 if size == "-" else int(size),
            found["agent"],
        )


def total(entries: Iterable[Access]) -> Traffic:
    """Sums them up. A HEAD has a size in the log but sends no body."""
    sizes = [0 if entry.method == "HEAD" else entry.size for entry in entries]
    return Traffic(len(sizes), sum(sizes))
