"""Does the node itself show that it validates: the local evidence beside what a crawler says. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitor_tick.facts import LogReading, Missing, PeerCounts, ScpSlot
from monitor_tick.judging import amounts
from monitor_tick.phase import Standing
from monitor_tick.view import View

EXTERNALIZE = "Externalize"


class Sign(msgspec.Struct, frozen=True):
    """One local observation: does it say that this node validates? None where it could not be read."""

    name: str
    holds: bool | None
    seen: str
    decides: bool = True


def local_signs(view: View) -> tuple[Sign, ...]:
    """What the node itself shows. Missing inbound peers explain a blind crawler, they do not say that we are silent."""
    return (
        *_scp_signs(view.facts.scp),
        _sending(view.facts.log),
        *_peer_signs(view.facts.peers),
        _in_sync(view.standing),
    )


def speaks_against(signs: Sequence[Sign]) -> bool:
    """At least one sign agrees with the crawler that this node does not validate."""
    return any(sign.holds is False for sign in signs if sign.decides)


def _scp_signs(scp: ScpSlot | Missing) -> tuple[Sign, ...]:
    names = ("slot externalized", "fully validated", "ballot phase Externalize")
    if isinstance(scp, Missing):
        return tuple(Sign(name, None, scp.reason) for name in names)
    slot = f"L{scp.slot}"
    return (
        Sign(names[0], scp.is_externalized, slot),
        Sign(names[1], scp.fully_validated, slot),
        Sign(names[2], scp.ballot_phase == EXTERNALIZE, scp.ballot_phase),
    )


def _sending(log: LogReading | Missing) -> Sign:
    """scp_sent_ext grows about once a ledger; two heartbeats at one ledger say nothing."""
    name = "sending EXTERNALIZE"
    if isinstance(log, Missing):
        return Sign(name, None, log.reason)
    now, before = log.heartbeat, log.earlier_heartbeat
    if now is None or before is None or now.ledger <= before.ledger:
        return Sign(name, None, "no two heartbeats with a ledger between them")
    grown, ledgers = now.scp_sent_ext - before.scp_sent_ext, now.ledger - before.ledger
    return Sign(name, grown > 0, f"scp_sent_ext {grown:+d} over {ledgers} ledgers")


def _peer_signs(peers: PeerCounts | Missing) -> tuple[Sign, ...]:
    if isinstance(peers, Missing):
        reason = peers.reason
        return (Sign("connected to peers", None, reason), Sign("inbound peers", None, reason, decides=False))
    total = peers.inbound + peers.outbound
    return (
        Sign("connected to peers", total > 0, f"{total} peers"),
        Sign("inbound peers", peers.inbound > 0, f"{peers.inbound} inbound", decides=False),
    )


def _in_sync(standing: Standing) -> Sign:
    holds = None if standing.age_seconds is None else standing.in_real_time
    return Sign("in real-time sync", holds, f"age {amounts.known(standing.age_seconds)}s")
