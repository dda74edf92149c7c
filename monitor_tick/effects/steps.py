"""The steps of every act on the node, in one order; `node` has asked whether they may be taken."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

from monitor_loop import node, procfs, quarantine
from monitor_loop.building import build
from monitor_loop.errors import MonitorError, plain
from monitor_loop.git.repository import Repository
from monitor_loop.session import NodeConfig, Process, Session
from monitor_loop.wipe import wiping
from monitor_tick.actions import Act, Acted, NodeAction
from monitor_tick.facts import Missing
from monitor_tick.view import View

STOP_SECONDS = 10.0
VERIFY_SECONDS = 10.0

_JUDGED_BY_LAUNCH = (Act.DEPLOY, Act.FALL_BACK)
"""Acts whose build is the deployed one only once a process of it began: what kept it from that says nothing against it,
and a crash of the build before is none of its own."""


class Steps:
    """What was done so far; each step is done only if the action asks for it."""

    def __init__(self, session: Session, action: NodeAction, now: datetime, proc: Path, intent: str) -> None:
        self._session, self._action, self._now, self._proc, self._intent = session, action, now, proc, intent
        self._build, self._runs = action.installs, False
        self._process: Process | None = None
        self._words: list[str] = []
        self._how = self._rotated = self._wiped = self._headline = self._launched = self._unquarantined = ""

    def take(self, running: Process | None, view: View) -> None:
        """A node that runs is stopped last: what can fail before that leaves it as it was."""
        self._runs = running is not None
        if self._action.quarantines:
            self._quarantine()
        if self._action.act is Act.DEPLOY:
            self._fast_forward(view)
        if self._action.installs:
            self._install()
        if self._action.launches or self._action.wipes:
            self._clear_the_way(running)
        if self._action.wipes:
            self._wipe(view)
        elif self._action.launches and is_half_wiped(view):
            self._finish_wipe(view)
        if self._action.launches:
            self._launch(view)

    def bring_back(self, view: View) -> None:
        """A deploy that failed must not keep a node down: what was deployed before is launched in its place.

        Unless that was left down for good.
        """
        is_kept_down = self._how or (view.facts.is_dead and not view.memory.node.offline)
        if self._action.act is not Act.DEPLOY or not is_kept_down or self._launched:
            return
        self._build = ""
        try:
            if not self._rotated:
                self._clear_the_way(None)
            self._launch(view)
        except Exception as fault:
            self._words.append(one_line(fault))

    def acted(self, *, done: bool, fault: str = "") -> Acted:
        words = "; ".join([*self._words, *((fault,) if fault else ())])
        return Acted(
            action=self._action,
            done=done,
            line=f"{self._action.act.value}{'' if done else ' FAILED'}: {words or 'nothing to do'}",
            headline=self._headline if done else "",
            process=self._process,
            stopped_how=self._how,
            rotated_to=self._rotated,
            wiped_to=self._wiped,
            built_sha=self._launched,
            unquarantined=self._unquarantined,
            left_alone=self._runs,
        )

    def _quarantine(self) -> None:
        """Without its entry every deploy is blocked, but the node is not left to the build that failed it."""
        sha = self._action.quarantines
        try:
            reason = quarantine.by_act(self._intent, self._action.why)
            quarantine.append(str(self._session.data.quarantine), sha, reason)
        except OSError as fault:
            self._unquarantined = sha
            self._words.append(f"{sha[:8]} could not be quarantined ({one_line(fault)})")
        else:
            self._words.append(f"quarantined {sha[:8]}")

    def _fast_forward(self, view: View) -> None:
        """So that the configs in the checkout are those of the build."""
        repository, new = Repository(self._session.repo, self._session.git), self._action.installs
        checkout = view.facts.checkout
        known = "" if isinstance(checkout, Missing) else checkout.deployed
        old = known or repository.sha_of("HEAD")
        repository.fast_forward(new)
        ledger = "?" if view.standing.ledger is None else view.standing.ledger
        pulled = f"pulled {repository.count(old, new)} commits ({old[:8]}..{new[:8]})"
        self._headline = f"{pulled}, rebuilt, restarted at L{ledger}"
        self._words.append(f"main is at {new[:8]}")

    def _install(self) -> None:
        """The new file takes the name, not the inode: a node that runs goes on with its own."""
        build.install(self._session, self._action.installs)
        self._words.append(f"installed {self._action.installs[:8]}")

    def _clear_the_way(self, running: Process | None) -> None:
        """The evidence is kept before anything can write over it: the log is put aside, never cut."""
        if running is not None:
            self._runs = False
            self._how = node.stop(running, STOP_SECONDS, self._proc)
            self._words.append(f"pid {running.pid} {self._how}")
        rotated = node.rotate(self._session, self._action.cause, self._now)
        if rotated is not None:
            self._rotated = rotated.name
            self._words.append(f"log kept as {rotated.name}")

    def _wipe(self, view: View) -> None:
        if not isinstance(view.facts.config, NodeConfig):
            raise MonitorError(f"the node's config: {view.facts.config.reason}")
        wiped = wiping.wipe(view.facts.config, self._now, self._proc)
        self._wiped = str(wiped.directory)
        self._words.append(f"data put aside in {wiped.directory.name}")

    def _finish_wipe(self, view: View) -> None:
        if isinstance(view.facts.config, NodeConfig):
            for wiped in wiping.finish_wipe(view.facts.config, self._proc):
                self._wiped = str(wiped.directory)
                self._words.append(f"an unfinished wipe was finished, {wiped.directory.name} holds the data")

    def _launch(self, view: View) -> None:
        session = self._ready_to_launch(view)
        config = view.facts.config if isinstance(view.facts.config, NodeConfig) else None
        if self._action.act not in _JUDGED_BY_LAUNCH:
            self._launched = self._build
        process = node.launch(session, config, self._now, self._proc)
        self._process, self._launched = process, self._build
        alive, last_lines = node.verify(session, process, VERIFY_SECONDS, self._proc)
        if not alive:
            if not procfs.still_runs(process, self._proc):
                self._process = None
            said = last_lines[-1].strip()[:200] if last_lines else "nothing"
            raise MonitorError(f"pid {process.pid} did not come up; its last line: {said}")
        self._words.append(f"launched pid {process.pid}")

    def _ready_to_launch(self, view: View) -> Session:
        """The binary that is meant at the launch path, and the config that goes with it."""
        session, wanted = self._session, self._build
        if wanted:
            return build.with_kept_config(session, wanted) if self._action.quarantines else self._with_config_of(wanted)
        deployed = view.memory.node.deployed_sha or view.facts.build_sha
        if not build.is_kept(session, deployed):
            return session
        if not build.is_installed(session, deployed):
            build.install(session, deployed)
            self._words.append(f"put {deployed[:8]} back")
        return self._with_config_of(deployed)

    def _with_config_of(self, sha: str) -> Session:
        """The checkout is at another commit after a rollback, or where a deploy ended half way: its config may be too.

        Where git cannot tell, the file is taken as it is.
        """
        session = self._session
        if not session.git or not session.config_file.is_relative_to(session.repo):
            return session
        with contextlib.suppress(MonitorError):
            changed = Repository(session.repo, session.git).changed_paths(sha, "HEAD")
            if changed and str(session.config_file.relative_to(session.repo)) in changed:
                return build.with_kept_config(session, sha)
        return session


def is_half_wiped(view: View) -> bool:
    """A wipe that neither came to its end nor could be taken back, and was not finished since."""
    config = view.facts.config
    return view.facts.wiped_data and isinstance(config, NodeConfig) and wiping.is_unfinished(config)


def one_line(error: Exception) -> str:
    """What an operator reads; of a defect of ours, its type as well."""
    kind = "" if isinstance(error, (MonitorError, OSError)) else f"{type(error).__name__}: "
    return f"{kind}{' '.join(plain(error).split())}"[:300]
