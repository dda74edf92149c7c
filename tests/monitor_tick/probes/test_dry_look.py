"""A dry run looks at the checkout as it stands: it fetches nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from monitor_tick.facts import Checkout, Missing
from monitor_tick.memory import Memory
from monitor_tick.probes.checkout import observe_deploying
from tests.monitor_loop.checkouts import git, make_checkout
from tests.monitor_tick.views import LIMITS, NOW, a_session


@pytest.mark.parametrize("fetches", [False, True])
def test_only_a_real_tick_moves_origin_main(tmp_path: Path, fetches: bool) -> None:
    upstream = make_checkout(tmp_path / "upstream", tmp_path)
    git(upstream, "branch", "-M", "main")
    git(tmp_path, "clone", "-q", str(upstream), "henyey")
    (upstream / "new").write_text("x")
    git(upstream, "add", ".")
    git(upstream, "commit", "-q", "-m", "second")
    repo = tmp_path / "henyey"
    before = git(repo, "rev-parse", "origin/main")
    session = msgspec.structs.replace(a_session(), repo=repo, git=shutil.which("git") or "")
    seen = observe_deploying(session, Missing("x"), "", None, Memory(), NOW, LIMITS, fetches=fetches).checkout
    assert isinstance(seen, Checkout)
    assert (git(repo, "rev-parse", "origin/main") != before) is fetches
    assert (repo / ".git" / "FETCH_HEAD").exists() is fetches
