"""A node of the bench, started as a process of its own: pulls several blobs, as containerd does for an image.

Arguments: CA file, file with a path on each line, then the host:port of all replicas; each process takes one of them by
its number. Prints JSON: seconds from the first request to the last byte. Exit code 1 on any answer that is not whole.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from bench.client import BadAnswerError, Connection, answer, request


def main(arguments: list[str]) -> int:
    """Pull; returns the exit code."""
    ca, paths, *addresses = arguments
    address = addresses[os.getpid() % len(addresses)]
    started = time.perf_counter()
    try:
        for path in Path(paths).read_text().split():
            connection = Connection(address, ca)
            connection.send(request(address, path))
            answer(connection, drop=True)
            connection.close()
    except (BadAnswerError, OSError) as error:
        print(f"puller: {address}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(time.perf_counter() - started))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
