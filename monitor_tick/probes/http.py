"""The only door to HTTP: one request with one deadline for all of it, and a reason where there is no answer.

A server that trickles is never late for a time limit per read. So the exchange runs in a thread of its own, which is
given up at the deadline; as a daemon it holds up neither the tick nor the end of the process.

The node is plain HTTP on loopback: http.client will do, and importing requests would add two fifths to a whole tick.
requests is for what TLS and certificates stand before: radar.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec

from monitor_tick.facts import Missing

T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Line = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{0,200}\Z")]
"""One line of printable ASCII: it may stand in a report as it is."""

_SUCCESS = range(200, 300)
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK_BYTES = 64 * 1024
# Identity: a compressed answer would have no bound on what it unpacks to.
_HEADERS = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "monitor-tick"}


class Body(msgspec.Struct, frozen=True):
    """A whole answer with a status of 200 to 299."""

    status: int
    content: bytes


class _Request(msgspec.Struct, frozen=True):
    method: str
    url: str
    deadline_seconds: float
    max_bytes: int
    json: object | None


class _Opened(msgspec.Struct, frozen=True):
    """An answer of which only the head was read."""

    status: int
    announced_bytes: str | None
    read: Callable[[int], bytes]


Opener = Callable[[_Request, "_Exchange"], AbstractContextManager[_Opened]]


def fetch(
    method: str, url: str, *, deadline_seconds: float, max_bytes: int, json: object | None = None
) -> Body | Missing:
    """The answer of `url`, or why there is none within `deadline_seconds` of wall time, connecting included.

    Follows no redirect and obeys no proxy setting and no .netrc.
    """
    opener = _opener_of(url)  # imports before the clock starts
    exchange = _Exchange(_Request(method, url, deadline_seconds, max_bytes, json), opener)
    thread = threading.Thread(target=exchange.run, daemon=True)
    thread.start()
    thread.join(deadline_seconds)
    if exchange.answer is None:
        exchange.give_up()
        return Missing(_late(deadline_seconds))
    return exchange.answer


def begin(call: Callable[[], T]) -> Callable[[], T]:
    """Starts `call` in a thread; the function returned waits for its end and returns or raises what it did."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    def finish() -> T:
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return finish


def decode(answer: Body | Missing, shape: type[T]) -> T | Missing:
    """The JSON of an answer as `shape`; keys that it does not name are ignored, a wrong type is named."""
    if isinstance(answer, Missing):
        return answer
    try:
        return msgspec.json.decode(answer.content, type=shape)
    except msgspec.ValidationError as error:
        return Missing(f"unexpected answer: {_path_of(str(error))}")
    except (msgspec.DecodeError, RecursionError):
        return Missing("not JSON")


def _path_of(message: str) -> str:
    """ledger.num, from "Expected `int`, got `str` - at `$.ledger.num`" or "... missing required field `num` ..."."""
    at = re.search(r" - at `\$\.?([^`]*)`", message)
    field = re.search(r"missing required field `([^`]*)`", message)
    return ".".join(found[1] for found in (at, field) if found and found[1]) or "not an object"


def _late(deadline_seconds: float) -> str:
    return f"no answer in {deadline_seconds:g} s"


class _Exchange:
    """One request and its answer, written by the thread that `fetch` waits for."""

    def __init__(self, request: _Request, opener: Opener) -> None:
        self.answer: Body | Missing | None = None
        self.connection: Any = None  # http.client.HTTPConnection, for `give_up`
        self._request = request
        self._opener = opener

    def run(self) -> None:
        try:
            with self._opener(self._request, self) as opened:
                self.answer = self._take(opened)
        except Exception as error:  # whatever requests, urllib3, http.client or ssl make of a hostile server
            self.answer = Missing(_reason_of(error) or _late(self._request.deadline_seconds))

    def give_up(self) -> None:
        """Ends a read that is still going on. requests hides its socket: there the process's end does it."""
        with suppress(Exception):
            self.connection.sock.shutdown(2)

    def _take(self, opened: _Opened) -> Body | Missing:
        if opened.status in _REDIRECTS:
            return Missing("redirect refused")
        if opened.status not in _SUCCESS:
            return Missing(f"HTTP {opened.status}")
        content = bytearray()
        while chunk := opened.read(_CHUNK_BYTES):
            content += chunk
            if len(content) > self._request.max_bytes:
                return Missing(f"body over {self._request.max_bytes / 2**20:g} MB")
        if opened.announced_bytes not in (None, str(len(content))):
            return Missing("connection closed early")
        return Body(opened.status, bytes(content))


def _opener_of(url: str) -> Opener:
    """The opener for this URL, with what it needs already imported."""
    if url.startswith("http://"):
        import http.client  # noqa: F401, PLC0415 (a tick that asks nobody does not pay for it)

        return _open_plain
    import requests  # noqa: F401, PLC0415 (slow)

    return _open_tls


@contextmanager
def _open_plain(request: _Request, exchange: _Exchange) -> Iterator[_Opened]:
    from http.client import HTTPConnection  # noqa: PLC0415 (see _opener_of)
    from urllib.parse import urlsplit  # noqa: PLC0415

    parts = urlsplit(request.url)
    body = None if request.json is None else msgspec.json.encode(request.json)
    headers = _HEADERS if body is None else {**_HEADERS, "Content-Type": "application/json"}
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=request.deadline_seconds)
    with closing(connection):
        exchange.connection = connection
        connection.request(request.method, f"{parts.path or '/'}?{parts.query}".rstrip("?"), body, headers)
        with closing(connection.getresponse()) as answer:
            yield _Opened(answer.status, answer.getheader("Content-Length"), answer.read)


@contextmanager
def _open_tls(request: _Request, exchange: _Exchange) -> Iterator[_Opened]:
    import requests  # noqa: PLC0415 (see _opener_of)

    with requests.Session() as session:
        session.trust_env = False
        with session.request(
            request.method,
            request.url,
            json=request.json,
            headers=_HEADERS,
            timeout=request.deadline_seconds,
            allow_redirects=False,
            stream=True,
        ) as answer:
            read = partial(answer.raw.read, decode_content=False)
            yield _Opened(answer.status_code, answer.headers.get("Content-Length"), read)


def _reason_of(error: BaseException) -> str:
    """What went wrong in a few words; empty where it took too long."""
    import http.client  # noqa: PLC0415 (requests has it loaded; without requests nobody needs it)
    import socket  # noqa: PLC0415
    import ssl  # noqa: PLC0415

    reasons: tuple[tuple[type[BaseException], str], ...] = (
        (TimeoutError, ""),
        (ConnectionRefusedError, "connection refused"),
        (http.client.RemoteDisconnected, "connection closed without an answer"),
        (ConnectionError, "connection reset"),
        (http.client.IncompleteRead, "connection closed early"),
        (http.client.HTTPException, "not HTTP"),
        (socket.gaierror, "name not resolved"),
        (ssl.SSLError, "TLS failure"),
        (OSError, "not reachable"),
    )
    # requests' own exceptions are OSErrors: only what stands behind them says what happened.
    behind = [cause for cause in _causes(error) if not type(cause).__module__.startswith("requests")]
    for kind, reason in reasons:
        if any(isinstance(cause, kind) for cause in behind):
            return reason
    if any("Timeout" in type(cause).__name__ for cause in _causes(error)):
        return ""
    return f"request failed ({type(error).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and every exception behind it, wherever urllib3 keeps it."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            pending += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
            yield cause
