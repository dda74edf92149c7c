from __future__ import annotations

import msgspec
import pytest

from monitor_tick.facts import Directories, Facts, Missing
from monitor_tick.judging.refusals import absent, long_stale, refusal_of
from tests.monitor_tick.views import DEAD, LIMITS, a_session, healthy_facts


def dead_facts(**directories: object) -> Facts:
    """No process, the session's directory as `directories` says, the env file fresh."""
    seen = Directories(session=True, mainnet=True, database=True, env_age_seconds=60.0, alive_age_seconds=60.0)
    return msgspec.structs.replace(
        healthy_facts(), process=DEAD, directories=msgspec.structs.replace(seen, **directories)
    )


def test_a_session_that_is_there_is_not_refused() -> None:
    assert refusal_of(a_session(), healthy_facts(), LIMITS) is None
    assert refusal_of(a_session(), dead_facts(), LIMITS) is None


def test_L08_nothing_is_created_for_an_absent_session_with_a_stale_env_file() -> None:
    facts = dead_facts(session=False, env_age_seconds=7201.9, alive_age_seconds=None)
    assert refusal_of(a_session(), facts, LIMITS) == (
        "ERROR: session 1a2b3c4d absent, no process, env stale (7201s > 2h). Run /monitor-loop."
    )


def test_L08_an_absent_session_goes_on_while_its_env_file_is_fresh_or_its_process_alive() -> None:
    assert refusal_of(a_session(), dead_facts(session=False, env_age_seconds=7200.0), LIMITS) is None
    wiped = dead_facts(session=False, env_age_seconds=999_999.0, alive_age_seconds=None)
    alive = msgspec.structs.replace(wiped, process=healthy_facts().process)
    assert refusal_of(a_session(), alive, LIMITS) is None


def test_L07_a_node_stopped_days_ago_is_not_revived() -> None:
    assert refusal_of(a_session(), dead_facts(env_age_seconds=86_401.0, alive_age_seconds=21_601.0), LIMITS) == (
        "ERROR: session 1a2b3c4d long-stale (no process, .alive age 21601s > 6h, env age 86401s > 24h). "
        "Refusing auto-relaunch — run /monitor-loop to reset."
    )


def test_L07_a_missing_mark_counts_as_old() -> None:
    assert refusal_of(a_session(), dead_facts(env_age_seconds=90_000.0, alive_age_seconds=None), LIMITS) == (
        "ERROR: session 1a2b3c4d long-stale (no process, .alive missing, env age 90000s > 24h). "
        "Refusing auto-relaunch — run /monitor-loop to reset."
    )


@pytest.mark.parametrize(
    ("env_age", "alive_age", "refused"),
    [
        (86_401.0, 21_601.0, True),
        (86_400.0, 21_601.0, False),
        (86_401.0, 21_600.0, False),
        (86_400.0, None, False),
        (86_401.0, None, True),
    ],
)
def test_L07_both_ages_have_to_be_beyond_their_limit(env_age: float, alive_age: float | None, refused: bool) -> None:
    facts = dead_facts(env_age_seconds=env_age, alive_age_seconds=alive_age)
    assert (refusal_of(a_session(), facts, LIMITS) is not None) is refused


def test_an_ambiguous_process_table_is_no_reason_to_refuse() -> None:
    facts = dead_facts(session=False, env_age_seconds=999_999.0, alive_age_seconds=None)
    several = msgspec.structs.replace(facts, process=Missing("2 processes: 12, 13"))
    assert refusal_of(a_session(), several, LIMITS) is None


@pytest.mark.parametrize("session", [True, False])
def test_the_two_refusals_exclude_each_other(session: bool) -> None:
    seen = dead_facts(session=session, env_age_seconds=90_000.0, alive_age_seconds=None).directories
    reasons = [reason(a_session().id, seen, dead=True, limits=LIMITS) for reason in (absent, long_stale)]
    assert [reason is not None for reason in reasons] == [not session, session]
