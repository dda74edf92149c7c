"""A node that answers from recorded bodies, beside a made-up /proc: what a tick sees of the real one, at its clock."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from monitor_loop import envfile
from monitor_loop.session import DataRoot, Mode, Session
from tests.proctree import make_process, start_ticks_at

DATA = Path(__file__).parent / "data"
STARTED_AT = datetime(2026, 5, 8, 1, 40, 3, tzinfo=timezone.utc)
SAMPLED_AT = datetime(2026, 5, 9, 3, 41, 57, tzinfo=timezone.utc)
"""Two seconds after the newest line of monitor.log.sample."""

PUBLIC_KEY = "GD3X437UAF2DBNFR6KNG5WAGIT4RLSQPNVLOYBGYZVNR6P362RW74A7C"
PID = 48213

CONFIG = """\
[node]
name = "henyey-mainnet-validator"
is_validator = {validator}

[database]
path = "{mainnet}/mainnet.db"

[buckets]
directory = "{mainnet}/buckets"

[http]
port = {port}

[rpc]
enabled = {validator}
port = {port}
retention_window = 360

[maintenance]
enabled = true
period_secs = 900
count = 50000
"""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the usual five, one of the questions that a tick asks at once may wait a second


class RecordedNode:
    """The bodies the server gives out now, by path; a test changes them between two ticks."""

    def __init__(self, data: Path, mode: Mode) -> None:
        self.mode = mode
        self.bodies: dict[str, bytes] = {}
        self.proc = data / "proc"
        self._data = data
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_address[1]
        self.session = self._make_session()
        self.answer_at(62_484_033, SAMPLED_AT)
        self.scrape("healthy.prom")

    def scrape(self, name: str) -> None:
        self.bodies["/metrics"] = (DATA / name).read_bytes()

    def answer_at(self, ledger: int, now: datetime, *, age: int = 3) -> None:
        """/info and getHealth in the shape of the node contract, at this ledger."""
        closed = int((now - timedelta(seconds=age)).timestamp())
        self.bodies["/info"] = _json(info_body(ledger, closed, age, validator=self.mode is Mode.VALIDATOR))
        health = {
            "status": "healthy",
            "latestLedger": ledger,
            "oldestLedger": ledger - 450,
            "ledgerRetentionWindow": 360,
        }
        self.bodies["/"] = _json({"jsonrpc": "2.0", "id": 1, "result": health})
        slot = {"slot_index": ledger, "is_externalized": True, "is_nominating": False, "fully_validated": True}
        rounds = {"ballot_phase": "Externalize", "nomination_round": 1, "ballot_round": 1, "envelope_count": 24}
        self.bodies["/scp"] = _json({"node": PUBLIC_KEY, "slots": [slot | rounds]})
        peers = {"inbound": [{}] * 9, "outbound": [{}] * 16}
        self.bodies["/peers"] = _json({"authenticated": peers, "authenticated_count": 25, "pending_count": 0})
        radar = {"isValidating": True, "validating24HoursPercentage": 99.8, "lag": 1, "latestLedger": str(ledger)}
        self.bodies[f"/api/v1/nodes/{PUBLIC_KEY}"] = _json(radar | {"updatedAt": now.isoformat()})

    def run_as(self, pid: int = PID, started_at: datetime = STARTED_AT) -> None:
        """Put the node's process into the made-up /proc."""
        session = self.session
        argv = ["henyey", "--mainnet", "run", *session.run_flags.split(), "-c", session.config]
        make_process(
            self.proc,
            pid,
            session.launch_path,
            argv,
            start_ticks_at(started_at),
            cwd=session.repo,
            stdout=session.log,
            rss_kb=7588 * 1024,
        )

    def serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _make_session(self) -> Session:
        data = DataRoot((self._data / "data").resolve())
        validator = self.mode is Mode.VALIDATOR
        directory = data.session_directory("1a2b3c4d")
        session = Session(
            tracker="directory",
            data=data,
            id="1a2b3c4d",
            mode=self.mode,
            config="configs/node.toml",
            admin_port=self.port,
            rpc_port=self.port if validator else None,
            run_flags="--validator" if validator else "",
            binary=directory / "cargo-target/release/henyey",
            repo=self._data / "repo",
            radar_url=f"http://127.0.0.1:{self.port}",
        )
        for path in (
            *session.subdirectories,
            session.launch_path.parent,
            session.config_file.parent,
            data.path / "mainnet",
        ):
            path.mkdir(parents=True, exist_ok=True)
        mainnet = data.path / "mainnet"
        session.config_file.write_text(
            CONFIG.format(mainnet=mainnet, port=self.port, validator=str(validator).lower()), encoding="utf-8"
        )
        (mainnet / "mainnet.db").write_bytes(b"\0" * 4096)
        (mainnet / "buckets").mkdir()
        session.alive.touch()
        session.log.write_bytes((DATA / "monitor.log.sample").read_bytes())
        envfile.write(session)
        (self.proc / "meminfo").parent.mkdir(parents=True, exist_ok=True)
        (self.proc / "meminfo").write_text("MemTotal:       32768000 kB\nMemAvailable:   20480000 kB\n")
        return session

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = bodies.get(self.path.partition("?")[0])
                self.send_response(404 if body is None else 200)
                self.send_header("content-length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def recorded_node(data: Path, mode: Mode = Mode.VALIDATOR) -> Iterator[RecordedNode]:
    node = RecordedNode(data, mode)
    node.run_as()
    node.serve()
    try:
        yield node
    finally:
        node.close()


def info_body(ledger: int, close_time: int, age: int, *, validator: bool) -> dict[str, object]:
    return {
        "build": "henyey-v26.0.0-alpha.1",
        "commit_hash": "b8f18c6db1f980ba80da626c87f1fdeac91be61f",
        "protocol_version": 25,
        "state": "Validating" if validator else "Synced",
        "started_on": "2026-05-08T01:40:03Z",
        "uptime_secs": 93604,
        "node_name": "henyey-mainnet-validator",
        "public_key": PUBLIC_KEY,
        "network_passphrase": "Public Global Stellar Network ; September 2015",
        "is_validator": validator,
        "ledger": {
            "num": ledger,
            "hash": "ab" * 32,
            "close_time": close_time,
            "version": 25,
            "base_fee": 100,
            "base_reserve": 5_000_000,
            "max_tx_set_size": 1000,
            "flags": 0,
            "age": age,
        },
        "peers": {"pending_count": 0, "authenticated_count": 25},
    }


def _json(body: object) -> bytes:
    return json.dumps(body).encode()
