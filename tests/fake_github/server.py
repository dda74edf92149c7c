"""The fake on a unix socket, in threads of the test's process: HTTP/1.1, a log of every call, faults on demand."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.fake_github import graphql, rest
from tests.fake_github.faults import RESPONSES, Answer, Fault, Response, json_response
from tests.fake_github.model import Hub

PATIENCE_SECONDS = 30.0
"""How long a hanging call stays at most."""


class Call(msgspec.Struct):
    """One request. `name` is `mutation IssueCreate createIssue` or `POST /repos/o/r/...`; `was_done`: no error."""

    name: str
    is_write: bool
    asked: Any
    status: int = 0
    was_done: bool = False


class FakeGitHub:
    """`hub` is what GitHub keeps, `calls` all that was asked of it, `unserved` what the fake could not answer, `hangs`
    whether a call got none.
    """

    def __init__(self, socket_path: Path) -> None:
        self.hub = Hub()
        self.calls: list[Call] = []
        self.unserved: list[str] = []
        self.hangs = False
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = _Server(str(socket_path), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> FakeGitHub:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, matching: str, answer: Answer, *, after: bool = False, times: int = 1, skip: int = 0) -> None:
        """Calls whose name contains `matching` get this answer; `after`: only once what they ask was done."""
        self._faults.append(Fault(matching, answer, after, times, skip))

    def mend(self) -> None:
        self._faults.clear()

    def writes(self) -> list[str]:
        """Names of the calls that wrote, or tried to."""
        return [call.name for call in self.calls if call.is_write]

    def answer(self, method: str, path: str, content: bytes) -> Response | None:
        """What one request gets; None where the connection just ends, after a while for HANG."""
        call, serve = self._understood(method, path, content)
        with self._lock:
            self.calls.append(call)
            fault = next((each for each in self._faults if each.takes(call.name)), None)
            if fault is None or fault.after:
                response = self._served(call.name, serve)
                call.was_done = response.status < 400 and b'"errors"' not in response.content
            if fault is not None:
                response = RESPONSES.get(fault.answer, Response(0))
            call.status = response.status
        if fault is not None and fault.answer is Answer.HANG:
            self.hangs = True
            raise TimeoutError
        return None if response.status == 0 else response

    def _understood(self, method: str, path: str, content: bytes) -> tuple[Call, Any]:
        asked = json.loads(content) if content else {}
        if path == "/graphql":
            query, variables = asked["query"], asked.get("variables") or {}
            name, is_write = graphql.name_of(query)
            return Call(name, is_write, variables), lambda: graphql.answer(self.hub, query, variables)
        parts = urlsplit(path)
        arguments = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        call = Call(f"{method} {parts.path}", method != "GET", asked or arguments)
        return call, lambda: rest.answer(self.hub, method, parts.path, arguments, asked)

    def _served(self, name: str, serve: Any) -> Response:
        try:
            response: Response = serve()
        except Exception as error:
            self.unserved.append(f"{name}: {error!r}")
            return json_response(500, {"message": f"fake GitHub: {error}"})
        return response


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def handle_error(self, request: object, client_address: object) -> None:
        """gh was killed while its answer was written: nothing to say."""


def _handler_of(fake: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = PATIENCE_SECONDS

        def _go(self) -> None:
            self.close_connection = True
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                response = fake.answer(self.command, self.path, content)
            except TimeoutError:
                self.connection.recv(1)
                return
            if response is not None:
                self._send(response)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _go

        def _send(self, response: Response) -> None:
            self.send_response(response.status)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.content)))
            for name, value in response.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.content)

        def log_message(self, format: str, *args: object) -> None:
            """`calls` is the log."""

    return Handler
