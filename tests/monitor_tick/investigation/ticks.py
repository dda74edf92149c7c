"""Past ticks of a session on disk, and the finding of the last one, without a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from monitor_loop.session import DataRoot, Session
from monitor_tick.alert import Alert
from monitor_tick.checks import metrics
from monitor_tick.issues.finding import Finding
from monitor_tick.memory import Memory
from monitor_tick.metrics import Scrape
from monitor_tick.recorded import archive
from monitor_tick.state import history
from monitor_tick.state.history import HistoryAlert, HistoryLine
from tests.monitor_tick.alarm_views import AFTER, RULES, with_values
from tests.monitor_tick.views import CADENCE, NOW, a_session, a_view, an_info

OLD, NEW = "0" * 39 + "1", "0" * 39 + "2"
LOST_SYNC = "stellar_herder_lost_sync_total"


def an_alert(**changes: object) -> Alert:
    alert = Alert(
        key=f"metric:{LOST_SYNC}",
        scope="row",
        title=f"metrics: {LOST_SYNC} — node lost sync",
        cause="delta 1 >= 1",
        cooldown_key=LOST_SYNC,
        metrics=(LOST_SYNC,),
    )
    return msgspec.structs.replace(alert, **changes)


def a_finding(tick: int = 0, **changes: object) -> Finding:
    """Of the tick with this number. Fields of the alert are named `alert_...`."""
    alert = {name.removeprefix("alert_"): value for name, value in changes.items() if name.startswith("alert_")}
    rest = {name: value for name, value in changes.items() if not name.startswith("alert_")}
    finding = Finding(
        alert=an_alert(**alert),
        at=NOW + tick * CADENCE,
        session_id="1a2b3c4d",
        mode="validator",
        build=NEW,
        uptime_seconds=5000,
        phase="settled",
    )
    return msgspec.structs.replace(finding, **rest)


def a_running_session(root: Path, **changes: object) -> Session:
    session = a_session(data=DataRoot(root / "data"), repo=root / "repo", git="git", **changes)
    session.directory.mkdir(parents=True)
    return session


def archived(session: Session, tick: int, build: str, values: Mapping[str, float], **changes: object) -> None:
    """One tick in the archive: the recorded node with these values, judged against the tick before."""
    at = NOW + tick * CADENCE
    scrape = msgspec.structs.replace(with_values(AFTER, values), at=at)
    before = msgspec.structs.replace(with_values(AFTER, _before(scrape)), at=at - CADENCE)
    view = a_view(
        session=session,
        rules=RULES,
        scrape=scrape,
        at=at,
        scrape_checksum=f"{tick:064d}",
        warming_up=False,
        **{"info": an_info(commit_hash=build), "memory": Memory(previous=before), **changes},
    )
    verdict = metrics.judge(view)
    assert verdict is not None
    assert archive.write(view, [verdict]) == ""


def _before(scrape: Scrape) -> dict[str, float]:
    """Every tick's increase is what the counter reads above 100: so a test says it in one number."""
    return {LOST_SYNC: 100.0} if (scrape.value(LOST_SYNC) or 0) >= 100 else {}


def told(session: Session, tick: int, build: str, keys: Sequence[str] = (), watch: Sequence[str] = ()) -> None:
    """One line of tick history."""
    alerts = tuple(HistoryAlert(key=key, title=key, tier="WARN", reason="file") for key in keys)
    at = NOW + tick * CADENCE
    history.append(session, HistoryLine(ts=at, status="OK", build=build, alerts=alerts, watch=tuple(watch)))


def a_past(session: Session, builds: Sequence[str], fired: Sequence[int], key: str = "") -> None:
    """One archived and told tick for each build; the increase is 1 in the ticks that fired and 0 in the others."""
    key = key or f"metric:{LOST_SYNC}"
    for tick, build in enumerate(builds):
        archived(session, tick, build, {LOST_SYNC: 101.0 if tick in fired else 100.0})
        told(session, tick, build, [key] if tick in fired else [])
