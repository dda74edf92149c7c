"""A machine that is made up but for its disk: a data root, a checkout, and a /proc with henyeys in it."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path

from monitor_loop import start as verb
from monitor_loop.begun import Console, Request
from monitor_loop.session import DataRoot, Mode
from tests.monitor_loop.checkouts import CONFIG, make_empty_checkout
from tests.proctree import make_proc, make_process

NOW = datetime(2026, 5, 9, 12, tzinfo=timezone.utc)
ID = "0123abcd"


class World:
    """A data root, a checkout and a made-up /proc; `run` puts a henyey into it."""

    def __init__(self, tmp_path: Path) -> None:
        self.data = DataRoot(tmp_path / "data")
        self.repo = make_empty_checkout(tmp_path / "henyey", self.data.path, http_port=19627, rpc_port=18000)
        self.proc = make_proc(tmp_path / "proc")
        self.elsewhere = tmp_path / "elsewhere"
        self.elsewhere.mkdir()

    def run(
        self,
        *arguments: str,
        session_id: str = ID,
        pid: int = 4242,
        directory: bool = True,
        stdout: str = "",
        deleted: bool = False,
    ) -> None:
        session = self.data.path / session_id
        if directory:
            (session / "logs").mkdir(parents=True)
        arguments = arguments or ("--mainnet", "run", "--validator", "-c", CONFIG)
        exe = session / "cargo-target/release/henyey"
        make_process(
            self.proc,
            pid,
            exe,
            [str(exe), *arguments],
            cwd=self.repo,
            stdout=stdout or session / "logs/monitor.log",
            deleted=deleted,
        )

    def kill(self, pid: int = 4242) -> None:
        shutil.rmtree(self.proc / str(pid))

    def start(
        self,
        *,
        cwd: Path | None = None,
        repo: Path | None = None,
        mode: Mode = Mode.VALIDATOR,
        session_id: str | None = None,
        fresh: bool = False,
        embedded: bool = False,
        install_cron: bool = False,
    ) -> verb.Started:
        request = Request(
            data=self.data,
            cwd=cwd or self.elsewhere,
            repo=repo,
            mode=mode,
            session_id=session_id,
            fresh=fresh,
            embedded=embedded,
            install_cron=install_cron,
        )
        return verb.start(request, NOW, Console(lambda _: None, lambda _: None), self.proc)
