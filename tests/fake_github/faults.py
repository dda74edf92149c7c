"""Ways in which a call fails, switched on by what the call is, and for how many calls."""

from __future__ import annotations

import enum
import json

import msgspec

FOREVER = 1_000_000


class Answer(enum.Enum):
    """What comes back instead of GitHub's answer."""

    SECONDARY_LIMIT = "403, the words of the secondary rate limit"
    PRIMARY_LIMIT = "403, the words of the hourly rate limit"
    QUERY_LIMIT = "200, the hourly rate limit as a GraphQL error"
    TOO_MANY = "429"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403, no word of a rate"
    NOT_FOUND = "404"
    BAD_GATEWAY = "502, HTML"
    GATEWAY_TIMEOUT = "504"
    WENT_WRONG = "200, a GraphQL error that says nothing"
    NOT_JSON = "200, HTML"
    CUT_JSON = "200, JSON that ends too soon"
    DROPPED = "the connection ends without an answer"
    HANG = "no answer, and the connection stays"


class Response(msgspec.Struct, frozen=True):
    status: int
    content: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json; charset=utf-8"


class Fault(msgspec.Struct):
    """Calls whose name contains `matching` fail, `times` of them after the first `skip`; `after`: they take effect."""

    matching: str
    answer: Answer
    after: bool = False
    times: int = 1
    skip: int = 0

    def takes(self, name: str) -> bool:
        """Whether this call is one that fails; it is counted."""
        if self.matching not in name or self.times == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


def json_response(status: int, value: object, *headers: tuple[str, str]) -> Response:
    return Response(status, json.dumps(value).encode(), headers)


def _message(status: int, message: str, *headers: tuple[str, str]) -> Response:
    body = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    return json_response(status, body, *headers)


_SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to "
    "GitHub Support for help, please include the request ID."
)
_PRIMARY = "API rate limit exceeded for user ID 1."
_WENT_WRONG = (
    "Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub "
    "bug. Please include `0000:1111` when reporting this issue."
)
_PAGE = b"<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<h1>502 Bad Gateway</h1>\n</body>\n</html>\n"

RESPONSES = {
    Answer.SECONDARY_LIMIT: _message(403, _SECONDARY, ("Retry-After", "60")),
    Answer.PRIMARY_LIMIT: _message(403, _PRIMARY, ("X-Ratelimit-Remaining", "0")),
    Answer.QUERY_LIMIT: json_response(200, {"errors": [{"type": "RATE_LIMITED", "message": _PRIMARY}]}),
    Answer.TOO_MANY: _message(429, _SECONDARY, ("Retry-After", "60")),
    Answer.UNAUTHORIZED: _message(401, "Bad credentials"),
    Answer.FORBIDDEN: _message(403, "Resource not accessible by personal access token"),
    Answer.NOT_FOUND: _message(404, "Not Found"),
    Answer.BAD_GATEWAY: Response(502, _PAGE, content_type="text/html"),
    Answer.GATEWAY_TIMEOUT: _message(504, "We couldn't respond to your request in time. Sorry about that."),
    Answer.WENT_WRONG: json_response(200, {"data": None, "errors": [{"message": _WENT_WRONG}]}),
    Answer.NOT_JSON: Response(200, _PAGE, content_type="text/html"),
    Answer.CUT_JSON: Response(200, b'{"data":{"repository":{"iss'),
}
"""DROPPED and HANG have none."""
