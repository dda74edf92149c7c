"""With which config a build is launched where the checkout has moved on from it, as after a rollback."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_loop.building import build
from monitor_loop.session import DataRoot, NodeRecord, Session
from monitor_tick.actions import Act, NodeAction
from monitor_tick.effects.steps import Steps
from tests.monitor_loop.checkouts import git
from tests.monitor_loop.origins import CODE, GIT, Origin
from tests.monitor_tick.views import NOW, a_session, a_view

CONFIG = "configs/node.toml"


class Rolled:
    """`good` is kept and runs; the checkout is at main, whose config another commit changed."""

    def __init__(self, root: Path, *, changed: str = "# of the bad build\n") -> None:
        origin = Origin(root)
        origin.make({CODE: "fn main() {}\n", CONFIG: "# of the good build\n"})
        self.good, self.checkout = origin.head(), origin.checkout
        self.session = a_session(data=DataRoot(root / "data"), repo=origin.checkout, git=GIT, config=CONFIG)
        for directory in (*self.session.subdirectories, self.session.launch_path.parent):
            directory.mkdir(parents=True, exist_ok=True)
        self.session.launch_path.write_bytes(b"binary")
        self.session.launch_path.chmod(0o755)
        build.keep(self.session, self.good)
        self.session.config_file.write_text(changed)

    def config_of(self, action: NodeAction) -> str:
        """What the node would read."""
        view = a_view(node=NodeRecord(deployed_sha=self.good))
        ready: Session = Steps(self.session, action, NOW, Path("/proc"), "1f2e3d4c5b6a")._ready_to_launch(view)
        return ready.config_file.read_text()


@pytest.fixture
def rolled(tmp_path: Path) -> Rolled:
    found = Rolled(tmp_path)
    git(found.checkout, "commit", "-q", "-am", "bad")
    return found


def action(act: Act, **changes: str) -> NodeAction:
    return NodeAction(act, "x", **changes)


def test_a_rollback_and_every_launch_after_it_takes_the_config_of_its_build(rolled: Rolled) -> None:
    for each in (
        action(Act.ROLLBACK, installs=rolled.good, quarantines="b" * 40),
        action(Act.RELAUNCH),
        action(Act.RESTART, cause="memory"),
        action(Act.REBUILD, installs=rolled.good),
    ):
        assert rolled.config_of(each) == "# of the good build\n", each.act


def test_a_change_that_is_the_operators_own_is_taken(tmp_path: Path) -> None:
    rolled = Rolled(tmp_path, changed="# by hand\n")
    for each in (action(Act.RELAUNCH), action(Act.REBUILD, installs=rolled.good)):
        assert rolled.config_of(each) == "# by hand\n", each.act
