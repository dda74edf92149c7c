"""The only door to HTTP: one request with one deadline for all of it, and a reason where there is no answer.

A server that trickles is never late for requests, whose time limits are per read. So the exchange runs in a thread of
its own, which is given up at the deadline; as a daemon it holds up neither the tick nor the end of the process.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated, Any, TypeVar

import msgspec

from monitor_tick.facts import Missing

T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Line = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{0,200}\Z")]
"""One line of printable ASCII: it may stand in a report as it is."""

_SUCCESS = range(200, 300)
_CHUNK_BYTES = 64 * 1024
# Identity: a compressed answer would have no bound on what it unpacks to.
_HEADERS = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "monitor-tick"}


class Body(msgspec.Struct, frozen=True):
    """A whole answer with a status of 200 to 299."""

    status: int
    content: bytes


def fetch(
    method: str, url: str, *, deadline_seconds: float, max_bytes: int, json: object | None = None
) -> Body | Missing:
    """The answer of `url`, or why there is none within `deadline_seconds` of wall time, connecting included.

    Follows no redirect and obeys no proxy setting and no .netrc.
    """
    import requests  # noqa: F401 (slow to import, so only here; and before the clock starts)

    exchange = _Exchange(method, url, deadline_seconds, max_bytes, json)
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

    def __init__(self, method: str, url: str, deadline_seconds: float, max_bytes: int, json: object | None) -> None:
        self.answer: Body | Missing | None = None
        self._method = method
        self._url = url
        self._deadline_seconds = deadline_seconds
        self._max_bytes = max_bytes
        self._json = json
        self._response: Any = None  # requests.Response, which only exists where requests is imported

    def run(self) -> None:
        try:
            self.answer = self._ask()
        except Exception as error:  # whatever requests, urllib3, http.client or ssl make of a hostile server
            self.answer = Missing(_reason_of(error) or _late(self._deadline_seconds))

    def give_up(self) -> None:
        """Ends a read that is still going on; without an answer's head there is no socket to be had."""
        with suppress(Exception):
            self._response.raw.connection.sock.shutdown(2)

    def _ask(self) -> Body | Missing:
        import requests  # see fetch

        with requests.Session() as http:
            http.trust_env = False
            with http.request(
                self._method,
                self._url,
                json=self._json,
                headers=_HEADERS,
                timeout=self._deadline_seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                self._response = response
                if response.is_redirect:
                    return Missing("redirect refused")
                if response.status_code not in _SUCCESS:
                    return Missing(f"HTTP {response.status_code}")
                return self._read(response.status_code, response.headers.get("Content-Length"))

    def _read(self, status: int, announced: str | None) -> Body | Missing:
        content = bytearray()
        while chunk := self._response.raw.read(_CHUNK_BYTES, decode_content=False):
            content += chunk
            if len(content) > self._max_bytes:
                return Missing(f"body over {self._max_bytes / 2**20:g} MB")
        # urllib3 2 looks at this itself, urllib3 1 does not.
        if announced is not None and announced != str(len(content)):
            return Missing("connection closed early")
        return Body(status, bytes(content))


def _reason_of(error: BaseException) -> str:
    """What went wrong in a few words; empty where it took too long."""
    import http.client  # requests has it loaded; without requests nobody needs it
    import socket
    import ssl

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
