"""One module a check: `LABEL` and `judge`. CHECKS is the report's order."""

from __future__ import annotations

from collections.abc import Callable

from monitor_tick.verdict import Verdict
from monitor_tick.view import View

Judge = Callable[[View], Verdict | None]
