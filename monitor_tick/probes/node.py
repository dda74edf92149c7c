"""The node's admin HTTP: /info, /scp, /peers and the maintenance call."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

import msgspec

from monitor_tick.facts import Missing, NodeInfo, PeerCounts, ScpSlot
from monitor_tick.probes.http import Body, Count, Line, decode, fetch
from monitor_tick.rules import Limits

_MEGABYTE = 2**20
_SHA_DIGITS = 40
_UnixSeconds = Annotated[int, msgspec.Meta(ge=0, le=253402300799)]  # datetime ends with the year 9999


class _Ledger(msgspec.Struct, frozen=True):
    num: Count
    close_time: _UnixSeconds
    age: Count


class _InfoPeers(msgspec.Struct, frozen=True):
    authenticated_count: Count


class _Info(msgspec.Struct, frozen=True):
    """`commit_hash` is absent where the build could not run git; what is no commit's full name is none."""

    state: Line
    public_key: Line
    is_validator: bool
    ledger: _Ledger
    peers: _InfoPeers
    commit_hash: Line = ""


class _Slot(msgspec.Struct, frozen=True):
    slot_index: Count
    is_externalized: bool
    ballot_phase: Line
    fully_validated: bool | None = None


class _Scp(msgspec.Struct, frozen=True):
    slots: tuple[_Slot, ...]


class _Peer(msgspec.Struct, frozen=True):
    pass


class _Authenticated(msgspec.Struct, frozen=True):
    inbound: tuple[_Peer, ...]
    outbound: tuple[_Peer, ...]


class _Peers(msgspec.Struct, frozen=True):
    authenticated: _Authenticated


class _Maintenance(msgspec.Struct, frozen=True):
    message: Line


def is_sha(text: str) -> bool:
    """Whether this is the full name of a commit: what else a node or a file says names no build to go by."""
    return len(text) == _SHA_DIGITS and set(text) <= set("0123456789abcdef")


def admin_url(port: int, path: str) -> str:
    """127.0.0.1, because the node binds IPv4 and `localhost` may mean ::1."""
    return f"http://127.0.0.1:{port}{path}"


def observe_info(port: int, limits: Limits) -> NodeInfo | Missing:
    info = decode(_get(port, "/info", limits), _Info)
    if isinstance(info, Missing):
        return info
    ledger = info.ledger
    # Before its first ledger the node says age 0, which would read as being in sync.
    closed = ledger.close_time > 0 and ledger.num > 1 and info.state != "Initializing"
    return NodeInfo(
        state=info.state,
        ledger=ledger.num,
        age_seconds=ledger.age if closed else None,
        close_time=datetime.fromtimestamp(ledger.close_time, timezone.utc) if closed else None,
        commit_hash=info.commit_hash if is_sha(info.commit_hash) else "",
        public_key=info.public_key,
        is_validator=info.is_validator,
        peers=info.peers.authenticated_count,
    )


def observe_scp(port: int, limits: Limits) -> ScpSlot | Missing:
    """The newest slot. Only for a node in sync: right after a start the node walks every slot number down to 0."""
    scp = decode(_get(port, "/scp?limit=1", limits), _Scp)
    if isinstance(scp, Missing):
        return scp
    if not scp.slots:
        return Missing("no slot")
    newest = scp.slots[0]
    return ScpSlot(
        slot=newest.slot_index,
        is_externalized=newest.is_externalized,
        fully_validated=newest.fully_validated is True,
        ballot_phase=newest.ballot_phase,
    )


def observe_peers(port: int, limits: Limits) -> PeerCounts | Missing:
    peers = decode(_get(port, "/peers", limits), _Peers)
    if isinstance(peers, Missing):
        return peers
    return PeerCounts(inbound=len(peers.authenticated.inbound), outbound=len(peers.authenticated.outbound))


def post_maintenance(port: int, count: int, deadline_seconds: float) -> Missing | None:
    """Has the node prune up to `count` rows a table; None: it says it is done.

    Without queue=true the node answers 200 and does nothing. It works inside the request, so a Missing for lateness
    does not say that nothing was pruned.
    """
    url = admin_url(port, f"/maintenance?queue=true&count={count}")
    answer = decode(fetch("POST", url, deadline_seconds=deadline_seconds, max_bytes=_MEGABYTE), _Maintenance)
    if isinstance(answer, Missing):
        return answer
    return None if answer.message == "Done" else Missing(f"answered {answer.message!r}")


def _get(port: int, path: str, limits: Limits) -> Body | Missing:
    return fetch(
        "GET",
        admin_url(port, path),
        deadline_seconds=limits.http_deadline_seconds,
        max_bytes=limits.http_body_mb * _MEGABYTE,
    )
