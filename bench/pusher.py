"""A client of the bench, started as a process of its own: pushes random blobs as crane and skopeo do.

Arguments: host:port, repository, CA file, size in bytes, number of blobs. POST, PATCH with all of the content, PUT with
the digest, over one connection, one blob after another. Prints JSON: seconds from the first request to the last answer;
making the content and hashing it is not among them. Exit code 1 on any other answer than the specification's.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import ssl
import sys
import time
from urllib.parse import urlsplit

from bench.client import PASSWORD, TIMEOUT, USER


class BadAnswerError(Exception):
    """The message says which step was answered how."""


def main(arguments: list[str]) -> int:
    """Push; returns the exit code."""
    address, repository, ca, size, count = arguments
    host, _, port = address.rpartition(":")
    bodies = [os.urandom(int(size)) for _ in range(int(count))]
    blobs = [(f"sha256:{hashlib.sha256(body).hexdigest()}", body) for body in bodies]
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=TIMEOUT)
    try:
        connection.connect()
        started = time.perf_counter()
        for digest, body in blobs:
            push(connection, repository, digest, body)
        print(json.dumps(time.perf_counter() - started))
    except (BadAnswerError, OSError, http.client.HTTPException) as error:
        print(f"pusher: {address}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    return 0


def push(connection: http.client.HTTPSConnection, repository: str, digest: str, body: bytes) -> None:
    """One blob. Raises BadAnswerError."""
    place = step(connection, 202, "POST", f"/v2/{repository}/blobs/uploads/")
    place = step(connection, 202, "PATCH", place, body)
    step(connection, 201, "PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}")


def step(connection: http.client.HTTPSConnection, wanted: int, method: str, path: str, body: bytes = b"") -> str:
    """One request; the path that its Location names. Raises BadAnswerError."""
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/octet-stream"}
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    words = answer.read()
    if answer.status != wanted:
        raise BadAnswerError(f"{method} {path}: {answer.status} {words[:500].decode(errors='replace')}")
    place = urlsplit(answer.headers.get("Location", ""))
    return f"{place.path}?{place.query}" if place.query else place.path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
