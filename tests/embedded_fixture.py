"""A running embedded node for any test: prepared and started with the argv of a real launch, killed in teardown."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor_loop.embedded.config import read_config
from monitor_loop.embedded.faults import PlannedFault, Scalar, clear_faults, set_fault
from monitor_loop.embedded.setup import EmbeddedSetup, prepare
from monitor_loop.session import DataRoot, Mode, Session

SPEED = 50.0
PATIENCE_SECONDS = 120.0


class RunningNode:
    """One session whose node runs; `relaunch` starts the node again in the same session."""

    def __init__(self, session: Session, log_format: str = "text") -> None:
        self.session = session
        self._log_format = log_format
        self._mended = 0
        session.logs.mkdir(parents=True, exist_ok=True)
        self.process = self.relaunch()

    def relaunch(self) -> subprocess.Popen[bytes]:
        session = self.session
        argv = [str(session.launch_path), *shlex.split(session.launch_prefix), "--mainnet", "run"]
        argv += [*shlex.split(session.run_flags), "-c", session.config]
        if self._log_format != "text":
            argv += ["--log-format", self._log_format]
        with session.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"RUST_LOG": "info"}, cwd=session.repo
            )
        return self.process

    @property
    def pid(self) -> int:
        return self.process.pid

    def log_text(self) -> str:
        """Its whole lines: the one that is being written may be read in two."""
        content = self.session.log.read_text(encoding="utf-8")
        return content[: content.rfind("\n") + 1]

    def get(self, path: str, *, method: str = "GET", timeout: float = 30.0) -> tuple[int, str]:
        """Status and body of the admin API; OSError when it cannot be had."""
        return _ask(f"http://127.0.0.1:{self.session.admin_port}{path}", method=method, timeout=timeout)

    def info(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.get("/info")[1])
        return body

    def rpc(self, request: object, timeout: float = 30.0) -> dict[str, Any]:
        content = request if isinstance(request, bytes) else json.dumps(request).encode()
        url = f"http://127.0.0.1:{self.session.rpc_port}/"
        body: dict[str, Any] = json.loads(_ask(url, method="POST", content=content, timeout=timeout)[1])
        return body

    def health(self) -> dict[str, Any]:
        result: dict[str, Any] = self.rpc({"jsonrpc": "2.0", "id": 1, "method": "getHealth"})["result"]
        return result

    def radar(self, key: str) -> tuple[int, dict[str, Any]]:
        status, body = _ask(f"{self.session.radar_url}/api/v1/nodes/{key}")
        return status, json.loads(body)

    def fault(self, name: str, /, **arguments: Scalar) -> None:
        set_fault(self.session.directory, name, **arguments)

    def clear(self, name: str | None = None) -> None:
        clear_faults(self.session.directory, name)

    def mend(self) -> None:
        """Clear every fault, and wait until the node has seen it."""
        self._mended += 1
        self.clear()
        self.fault("raw_line", text=f"mended {self._mended}")
        self.wait_logged(f"\nmended {self._mended}\n")
        self.wait_for(lambda: self.get("/info")[0] == 200)
        self.wait_synced()

    def wait_for(self, what: Callable[[], Any]) -> Any:
        """The first true value of `what`, an OSError counting as not yet."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                if found := what():
                    return found
            except OSError:
                pass
            time.sleep(0.02)
        pytest.fail(f"the embedded node did not get there; its log ends with:\n{self.log_text()[-2000:]}")

    def wait_synced(self) -> None:
        """In real-time sync: nothing left to replay. A fast node on a busy machine may be a few ledgers behind."""
        speed = read_config(Path(self.session.config)).speed
        most = 1 + speed / 100
        self.wait_for(lambda: self.info()["state"] in {"Validating", "Synced"} and self._gap() <= most)

    def _gap(self) -> int:
        slots = json.loads(self.get("/scp?limit=1")[1])["slots"]
        return int(slots[0]["slot_index"] - self.info()["ledger"]["num"]) if slots else 0

    def wait_logged(self, text: str) -> str:
        """The log, once it holds `text`."""
        found: str = self.wait_for(lambda: whole if text in (whole := self.log_text()) else "")
        return found

    def wait_exit(self) -> int:
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def terminate(self) -> int:
        self.process.terminate()
        return self.wait_exit()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def prepared_session(
    data_path: Path,
    session_id: str = "5eed0001",
    *,
    speed: float = SPEED,
    watcher: bool = False,
    seed: int = 1,
    startup_seconds: float = 0.5,
    scenario: tuple[PlannedFault, ...] = (),
) -> Session:
    """A session as `monitor-loop start --embedded` makes it, with nothing launched."""
    data = DataRoot(data_path.resolve())
    directory = data.session_directory(session_id)
    directory.mkdir(parents=True, exist_ok=True)
    setup = prepare(
        data,
        session_id,
        speed=speed,
        watcher=watcher,
        seed=seed,
        startup_seconds=startup_seconds,
        scenario=scenario,
    )
    return _session_of(data, session_id, setup, watcher)


@pytest.fixture
def embedded_node(tmp_path: Path) -> Iterator[Callable[..., RunningNode]]:
    """Start embedded nodes with the arguments of `prepared_session`; every one is killed when the test ends."""
    started: list[RunningNode] = []

    def start(*, log_format: str = "text", **choices: Any) -> RunningNode:
        session = prepared_session(tmp_path / f"data{len(started)}", **choices)
        started.append(RunningNode(session, log_format))
        return started[-1]

    yield start
    for node in started:
        node.kill()


@pytest.fixture
def embedded_session(embedded_node: Callable[..., RunningNode]) -> Session:
    """The session of a node that runs, is in sync and closes fifty times faster than mainnet."""
    node = embedded_node()
    node.wait_synced()
    return node.session


def _session_of(data: DataRoot, session_id: str, setup: EmbeddedSetup, watcher: bool) -> Session:
    directory = data.session_directory(session_id)
    return Session(
        data=data,
        id=session_id,
        mode=Mode.WATCHER if watcher else Mode.VALIDATOR,
        config=str(setup.config),
        admin_port=setup.admin_port,
        rpc_port=setup.rpc_port,
        run_flags="" if watcher else "--validator",
        binary=directory / "cargo-target" / "release" / "henyey",
        repo=directory,
        launch_prefix=setup.launch_prefix,
        tracker="directory",
        radar_url=setup.radar_url,
    )


def _ask(url: str, *, method: str = "GET", content: bytes | None = None, timeout: float = 30.0) -> tuple[int, str]:
    request = urllib.request.Request(url, data=content, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
