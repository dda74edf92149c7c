"""The part of a log line that its code holds as a string: the message, up to the first name=value field. Pure."""

from __future__ import annotations

import re

_FIELD = re.compile(r"\s(?:[A-Za-z_][\w.]*|<n>)=(?!=)")


def constant_part(text: str) -> str:
    """`text` is a line without time and target, its changing parts as placeholders (`<n>`), or a format string."""
    field = _FIELD.search(text)
    return (text[: field.start()] if field else text).strip()
