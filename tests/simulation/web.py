"""A server on loopback that gives out bodies by path, one connection after the other: all that a tick asks a node.

The tick asks a handful of things side by side; a thread for each would cost more than all the answers.
"""

from __future__ import annotations

import contextlib
import socket
import threading

Bodies = dict[str, bytes]


class Web:
    """`bodies` are what it answers now; None: it ends every connection without an answer, as a frozen node may."""

    def __init__(self) -> None:
        self.bodies: Bodies | None = {}
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=32)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        path = _path_of(connection)
        if self.bodies is None:
            return
        body = self.bodies.get(path)
        status = b"404 Not Found" if body is None else b"200 OK"
        content = body or b""
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(content))
        connection.sendall(head + content)


def _path_of(connection: socket.socket) -> str:
    """Of a request that was read whole: what is left unread would reset the connection."""
    content = b""
    while b"\r\n\r\n" not in content:
        if not (more := connection.recv(1 << 16)):
            return ""
        content += more
    head, _, body = content.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    wanted = sum(int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:"))
    while len(body) < wanted and (more := connection.recv(1 << 16)):
        body += more
    return lines[0].split(b" ")[1].decode().partition("?")[0]
