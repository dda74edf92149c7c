"""An HTTP server on loopback that misbehaves on request, a behaviour for each path.

    with HostileServer({"/info": answer(b"{}"), "/metrics": hang}) as server:
        fetch("GET", server.url("/metrics"), ...)

Leaving the block ends every behaviour at once, so that a test never waits for one.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType

_STEP_SECONDS = 0.02
_PATIENCE_SECONDS = 60.0


class Exchange:
    """One connection with the request that was read from it."""

    def __init__(self, connection: socket.socket, stopping: threading.Event, head: bytes, body: bytes) -> None:
        self.connection = connection
        self.method, self.target = head.decode("latin-1").split(" ", 2)[:2]
        self.head = head
        self.body = body
        self.sent_bytes = 0
        self._stopping = stopping

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def send(self, content: bytes) -> None:
        """Raises OSError once the client has gone."""
        self.connection.sendall(content)
        self.sent_bytes += len(content)

    def pause(self, seconds: float) -> bool:
        """False once the server is being closed."""
        return not self._stopping.wait(seconds)


Behaviour = Callable[[Exchange], None]


def answer(body: bytes, status: int = 200, headers: str = "") -> Behaviour:
    """A whole, well-formed answer."""

    def behave(exchange: Exchange) -> None:
        exchange.send(f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    return behave


def answers(*bodies: bytes) -> Behaviour:
    """The first body to the first request, the second to the second, the last to all that follow."""
    left = list(bodies)

    def behave(exchange: Exchange) -> None:
        answer(left.pop(0) if len(left) > 1 else left[0])(exchange)

    return behave


def raw(content: bytes) -> Behaviour:
    """Exactly these bytes, then the end of the connection."""
    return lambda exchange: exchange.send(content)


def hang(exchange: Exchange) -> None:
    """Accepts, reads, and says nothing."""
    while exchange.pause(1.0):
        continue


def trickle_headers(exchange: Exchange) -> None:
    """A byte of a header now and then, for ever: never late for a time limit per read."""
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while exchange.pause(_STEP_SECONDS):
        exchange.send(b"x")


def trickle_body(exchange: Exchange) -> None:
    """The same with a body, which has no end either."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while exchange.pause(_STEP_SECONDS):
        exchange.send(b"x")


def huge(total_bytes: int) -> Behaviour:
    """A body of `total_bytes` whose size is not announced."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
        block = b"x" * 2**16
        while exchange.sent_bytes < total_bytes and exchange.pause(0):
            exchange.send(block)

    return behave


def redirect(to: str) -> Behaviour:
    return answer(b"", 302, f"Location: {to}\r\n")


def hang_up(exchange: Exchange) -> None:
    """Closes in good order without a word."""


def reset(exchange: Exchange) -> None:
    """Ends the connection with a TCP reset."""
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@functools.cache
def closed_port() -> int:
    """A port of 127.0.0.1 on which nothing listens. It stays bound, so that no process next to this one is given it."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    port = int(taken.getsockname()[1])
    taken.detach()
    return port


class HostileServer:
    """Serves `routes` by path (without its query) and `otherwise` for the rest; `exchanges` are what was asked."""

    def __init__(self, routes: Mapping[str, Behaviour] | None = None, otherwise: Behaviour | None = None) -> None:
        self.routes = dict(routes or {})
        self.otherwise = otherwise or answer(b"", 404)
        self.exchanges: list[Exchange] = []
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.port = int(self._listener.getsockname()[1])

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def hears(self, *paths: str) -> None:
        """Waits until each was asked for: who asks may have given up before this process got to it."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not set(paths) <= {exchange.path for exchange in self.exchanges}:
            assert time.monotonic() < end, f"asked for {[exchange.path for exchange in self.exchanges]}"
            time.sleep(_STEP_SECONDS)

    def __enter__(self) -> HostileServer:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopping.is_set():
                connection = self._listener.accept()[0]
                self._start(functools.partial(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with connection, contextlib.suppress(OSError):
            head, body = _read_request(connection)
            if not head:
                return
            exchange = Exchange(connection, self._stopping, head, body)
            self.exchanges.append(exchange)
            self.routes.get(exchange.path, self.otherwise)(exchange)


def _read_request(connection: socket.socket) -> tuple[bytes, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(2**16)
        if not chunk:
            return b"", b""
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")),
        0,
    )
    while len(body) < length:
        chunk = connection.recv(2**16)
        if not chunk:
            return b"", b""
        body += chunk
    return head, body
