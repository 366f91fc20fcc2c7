"""A client of the bench, started as a process of its own: how long the first byte of an answer takes.

Arguments: CA file, number of requests, then host:port and path twice: of the registry behind, and of a server in front
of it. Asks them in turn, one request at a time, over one connection each. Prints JSON: two lists of seconds.
"""

from __future__ import annotations

import json
import sys
import time

from bench.client import BadAnswerError, Connection, answer, request


def main(arguments: list[str]) -> int:
    """Ask; returns the exit code."""
    ca, count, *places = arguments
    seconds: list[list[float]] = [[], []]
    asked = [request(address, path) for address, path in zip(places[::2], places[1::2], strict=True)]
    try:
        connections = [Connection(address, ca) for address in places[::2]]
        for _ in range(int(count)):
            for place, connection in enumerate(connections):
                started = time.perf_counter()
                connection.send(asked[place])
                content = connection.read()
                seconds[place].append(time.perf_counter() - started)
                answer(connection, content=content)
        for connection in connections:
            connection.close()
    except (BadAnswerError, OSError) as error:
        print(f"first byte: {error}", file=sys.stderr)
        return 1
    print(json.dumps(seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
