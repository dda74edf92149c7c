"""The node's three listeners on 127.0.0.1, and every way in which one of their answers can go wrong."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from monitor_loop.embedded.answers import METRICS, Answer, admin_answer, json_answer
from monitor_loop.embedded.breaking import Breaking
from monitor_loop.embedded.log import Display
from monitor_loop.embedded.node import Node
from monitor_loop.embedded.rpc import radar_answer, rpc_answer

MAX_BODY_BYTES = 512 * 1024
_TRICKLE_SECONDS = 0.2
_ENDLESS_CHUNK = b"# nothing but a comment that does not end\n" * 1024

# method, path with query, body -> what the node says, and the name by which a fault knows the path.
Responder = Callable[[Node, str, str, bytes], Answer]


class Servers:
    """Which listeners are open follows from the faults; one that cannot bind is an ERROR line and the node goes on."""

    def __init__(self, node: Node) -> None:
        config = node.config
        self._node = node
        self._listeners = {
            "admin": _Listener(node, config.http_port, "", _respond_admin, "henyey_app::run_cmd", "HTTP status server"),
            "radar": _Listener(node, config.radar_port, "radar", _respond_radar, "henyey_app::run_cmd", "Radar"),
        }
        if config.rpc_port is not None:
            self._listeners["rpc"] = _Listener(node, config.rpc_port, "rpc", _respond_rpc, "henyey", "JSON-RPC server")

    def announce(self) -> None:
        config, tracing = self._node.config, self._node.tracing
        address = Display(f"127.0.0.1:{config.http_port}")
        tracing.info("henyey_app::http", "Starting HTTP status server", {"addr": address})
        if config.rpc_port is not None:
            tracing.info("henyey_rpc::server", "Starting JSON-RPC server", {"port": config.rpc_port})

    def follow(self, breaking: Breaking) -> None:
        """Open what should be open, close what should not."""
        unbound = breaking.find("ports_not_bound") is not None
        shut = {"admin": unbound, "rpc": unbound or breaking.find("rpc_down") is not None, "radar": False}
        for name, listener in self._listeners.items():
            if shut[name]:
                listener.close(refused=unbound)
            else:
                listener.open()

    def close(self) -> None:
        for listener in self._listeners.values():
            listener.close(refused=False)


class _Listener:
    def __init__(self, node: Node, port: int, alias: str, respond: Responder, target: str, label: str) -> None:  # noqa: PLR0913, PLR0917  a row of the table above
        self._node = node
        self._port = port
        self._handler = partial(_Handler, node=node, respond=respond, alias=alias)
        self._target = target
        self._label = label
        self._server: _Server | None = None
        self._failed = False
        self._reported = False

    def open(self) -> None:
        """A port that is truly taken stays without its server, as in the node."""
        self._reported = False
        if self._server is not None or self._failed:
            return
        try:
            self._server = _Server(("127.0.0.1", self._port), self._handler)
        except OSError:
            self._failed = True
            self._report()
            return
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self, *, refused: bool) -> None:
        """`refused`: as if the port had been taken, with the node's own line."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        if refused and not self._reported:
            self._report()

    def _report(self) -> None:
        self._reported = True
        error = Display("Address already in use (os error 98)")
        self._node.tracing.error(self._target, f"{self._label} error", {"error": error})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def server_bind(self) -> None:
        """Without the name look-up of http.server, which asks the resolver."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no event for the node's log."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def __init__(self, *args: object, node: Node, respond: Responder, alias: str) -> None:
        self._node = node
        self._respond = respond
        self._alias = alias
        super().__init__(*args)  # type: ignore[arg-type]  # socketserver's own three, passed through

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def log_message(self, format: str, *args: object) -> None:
        """The node logs no requests."""

    def _serve(self, method: str) -> None:
        length = min(int(self.headers.get("content-length") or 0), MAX_BODY_BYTES)
        body = self.rfile.read(length)
        path = self._alias or urlsplit(self.path).path
        breaking = self._node.breaking
        if (freeze := breaking.find("freeze")) and freeze.argument("http") == "hang":
            self._wait(lambda: breaking.find("freeze") is not None)
        if slow := breaking.find("slow", path):
            end = time.monotonic() + slow.number("seconds")
            self._wait(lambda: time.monotonic() < end and breaking.find("slow", path) is not None)
        if breaking.find("drop", path):
            self.close_connection = True
        elif breaking.find("http_500", path):
            self._send(json_answer({"error": "internal"}, status=500))
        elif breaking.find("redirect", path):
            self._redirect()
        elif breaking.find("endless", path):
            self._send_while(lambda: breaking.find("endless", path) is not None)
        else:
            answer = self._respond(self._node, method, self.path, body)
            self._send(answer, slowly=lambda: breaking.find("trickle", path) is not None)

    def _wait(self, still: Callable[[], bool]) -> None:
        while still():
            time.sleep(0.02)

    def _send(self, answer: Answer, *, slowly: Callable[[], bool] = lambda: False) -> None:
        content = answer.body.encode()
        self._head(answer.status, answer.content_type, len(content))
        sent = 0
        while sent < len(content) and slowly():
            self.wfile.write(content[sent : sent + 1])
            sent += 1
            time.sleep(_TRICKLE_SECONDS)
        self.wfile.write(content[sent:])

    def _send_while(self, still: Callable[[], bool]) -> None:
        self.close_connection = True
        self._head(200, METRICS, None)
        while still():
            self.wfile.write(_ENDLESS_CHUNK)

    def _redirect(self) -> None:
        self.send_response_only(302)
        self.send_header("location", self.path)
        self.send_header("content-length", "0")
        self.end_headers()

    def _head(self, status: int, content_type: str, length: int | None) -> None:
        self.send_response_only(status)
        if content_type:
            self.send_header("content-type", content_type)
        if length is not None:
            self.send_header("content-length", str(length))
        self.send_header("date", self.date_time_string())
        self.end_headers()


def _respond_admin(node: Node, method: str, target: str, _body: bytes) -> Answer:
    parts = urlsplit(target)
    return admin_answer(node, method, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)))


def _respond_rpc(node: Node, method: str, target: str, body: bytes) -> Answer:
    return rpc_answer(node, method, urlsplit(target).path, body)


def _respond_radar(node: Node, _method: str, target: str, _body: bytes) -> Answer:
    return radar_answer(node, urlsplit(target).path)
