"""A client of the bench, started as a process of its own: asks one address for the same path again and again.

Arguments: host:port, path, CA file, number of requests, `read` or `drop`. Prints JSON: bytes of bodies, and the TLS
cipher in use. Exit code 1 on any answer that is not a whole 200.

It shares a CPU with the registry behind, and must leave the measured server the slowest part: a server that waits
works in small pieces, which costs it more. So a large body is not decrypted with `drop`: its length is the sum of
what its records say (RFC 8446, 5.1), and its content is nobody's business here. That takes a connection a request.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import sys

USER, PASSWORD = "ro", "ro-password"
TIMEOUT = 60.0  # seconds without a byte
BUFFER = 256 * 1024
HEADER = 5  # bytes before a record: type, version, length
SEAL = 17  # bytes of a record that are not content: its true type and the tag of every cipher of TLS 1.3
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class BadAnswerError(Exception):
    """The message says what came instead of a whole answer."""


class Connection:
    """TLS 1.3 on a plain socket, taken record by record."""

    def __init__(self, address: str, ca: str, *, receive_buffer: int = 0) -> None:
        """`receive_buffer` bounds, in bytes, what the kernel takes in for us; 0 leaves that to the kernel."""
        host, _, port = address.rpartition(":")
        self._socket = socket.socket()
        if receive_buffer:  # before connecting: it decides the window that is announced
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(TIMEOUT)
        self._socket.connect((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._space = memoryview(bytearray(BUFFER))
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._socket.sendall(self._out.read())
                self._record()
        self._socket.sendall(self._out.read())
        cipher = self._tls.cipher()
        self.cipher = cipher[0] if cipher else ""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, request: bytes) -> None:
        """Send a request."""
        self._tls.write(request)
        self._socket.sendall(self._out.read())

    def read(self) -> bytes:
        """The content of the next record that has one. Raises BadAnswerError at the end of the connection."""
        while True:
            try:
                piece = self._tls.read(BUFFER)
            except ssl.SSLWantReadError:
                self._record()
                continue
            if not piece:
                raise BadAnswerError("the connection ended early")
            return piece

    def drop(self, length: int) -> None:
        """Take records of `length` bytes of content as they are; nothing can be read afterwards.

        Raises BadAnswerError when there are fewer or more.
        """
        header, rest = b"", 0  # of the record in hand: its header so far, the bytes still to come
        while length > 0 or rest:
            offset, count = 0, self._some(self._space)
            while offset < count:
                if rest:
                    step = min(rest, count - offset)
                    offset, rest = offset + step, rest - step
                    continue
                part = bytes(self._space[offset : min(offset + HEADER - len(header), count)])
                offset, header = offset + len(part), header + part
                if len(header) == HEADER:
                    rest = int.from_bytes(header[3:], "big")
                    length, header = length - (rest - SEAL), b""
        if length < 0:
            raise BadAnswerError("more bytes than announced")

    def _record(self) -> None:
        self._exactly(HEADER)
        self._in.write(self._space[:HEADER])
        size = int.from_bytes(self._space[3:HEADER], "big")
        self._exactly(size)
        self._in.write(self._space[:size])

    def _exactly(self, size: int) -> None:
        filled = 0
        while filled < size:
            filled += self._some(self._space[filled:size])

    def _some(self, space: memoryview) -> int:
        count = self._socket.recv_into(space)
        if not count:
            raise BadAnswerError("the connection ended early")
        return count


def main(arguments: list[str]) -> int:
    """Ask; returns the exit code."""
    address, path, ca, count, way = arguments
    received, drop = 0, way == "drop"
    asked = request(address, path)
    try:
        connection = Connection(address, ca)
        for number in range(int(count)):
            if drop and number:
                connection.close()
                connection = Connection(address, ca)
            connection.send(asked)
            received += answer(connection, drop=drop)
        connection.close()
    except (BadAnswerError, OSError) as error:
        print(f"client: {address}: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"bytes": received, "cipher": connection.cipher}))
    return 0


def request(address: str, path: str) -> bytes:
    """What the bench asks a server with."""
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {login}\r\nUser-Agent: bench\r\n"
        "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*\r\n\r\n"
    ).encode()


def answer(connection: Connection, *, content: bytes = b"", drop: bool = False) -> int:
    """Take one answer, of which `content` has been read already; the length of its body. Raises BadAnswerError."""
    while (end := content.find(b"\r\n\r\n")) < 0:
        content += connection.read()
    found = _LENGTH.search(content[: end + 4])
    if not content.startswith(b"HTTP/1.1 200 ") or found is None:
        raise BadAnswerError(content[:1000].decode("latin-1"))
    length = int(found.group(1))
    missing = length - (len(content) - end - 4)
    if drop:
        connection.drop(missing)
        return length
    while missing > 0:
        missing -= len(connection.read())
    if missing < 0:
        raise BadAnswerError("more bytes than announced")
    return length


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
