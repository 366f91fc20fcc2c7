"""A client of the bench, started as a process of its own: how long the first byte takes, of one path after another.

Arguments: CA file, file with a path on each line, then the host:port of the servers. Asks all servers for each path,
every second path in the other order, one request at a time, over one connection each. The first path is not counted.
Prints JSON: a list of seconds for each server.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench.client import BadAnswerError, Connection, answer, request


def main(arguments: list[str]) -> int:
    """Ask; returns the exit code."""
    ca, paths, *addresses = arguments
    seconds: list[list[float]] = [[] for _ in addresses]
    places = list(range(len(addresses)))
    try:
        connections = [Connection(address, ca) for address in addresses]
        for number, path in enumerate(Path(paths).read_text().split()):
            for place in places if number % 2 else reversed(places):
                connection, asked = connections[place], request(addresses[place], path)
                started = time.perf_counter()
                connection.send(asked)
                content = connection.read()
                took = time.perf_counter() - started
                answer(connection, content=content)
                if number:
                    seconds[place].append(took)
        for connection in connections:
            connection.close()
    except (BadAnswerError, OSError) as error:
        print(f"first bytes: {error}", file=sys.stderr)
        return 1
    print(json.dumps(seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
