"""Whether a client still takes what is sent to it, seen in the kernel's count of acknowledged bytes.

The kernel's own limit (TCP_USER_TIMEOUT) does not do: while the window is full it counts from the first time it was,
until the window opens for a whole segment (of up to 64 KiB) at once. A slow client never opens it so far, and would be
cut off although it takes bytes all the time.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios

_BYTES_ACKED = 120  # offset of tcpi_bytes_acked in struct tcp_info (linux/tcp.h), 64 bits


class Standstill:
    """How long the other side of `connection` has taken nothing although there was something to take."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._taken, self._since = 0, 0.0

    def seconds(self, now: float) -> float:
        """The seconds until `now`, by the looks so far: the first sight of a standstill is its beginning.

        Raises OSError when the connection is closed.
        """
        taken = _taken(self._connection)
        if taken != self._taken or not _waiting(self._connection):
            self._taken, self._since = taken, now
        return now - self._since


def _taken(connection: socket.socket) -> int:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
    (taken,) = struct.unpack_from("=Q", info, _BYTES_ACKED)
    return int(taken)


def _waiting(connection: socket.socket) -> int:
    """Bytes in the kernel that were not acknowledged (SIOCOUTQ, tcp(7)); what waits in front of them fills it first."""
    (waiting,) = struct.unpack("=i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
    return int(waiting)
