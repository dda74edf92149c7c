"""The disk that is held back: really taken, never laid on a volume without room, given back once."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from monitor_loop import ballast
from monitor_loop.session import DataRoot


def test_it_takes_its_blocks_and_is_given_back_once(tmp_path: Path) -> None:
    data = DataRoot(tmp_path)
    ballast.keep(data)
    first = data.ballast.stat()
    assert first.st_blocks * 512 >= ballast.SIZE
    ballast.keep(data)
    assert data.ballast.stat() == first
    assert ballast.release(data)
    assert not ballast.release(data)
    assert list(tmp_path.iterdir()) == []


def test_a_volume_without_room_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ballast, "ROOM", 2**62)
    ballast.keep(DataRoot(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_one_that_came_out_short_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    ballast.keep(DataRoot(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_data_root_that_is_gone_or_read_only_does_not_stop_the_tick(tmp_path: Path) -> None:
    ballast.keep(DataRoot(tmp_path / "gone"))
    assert list(tmp_path.iterdir()) == []
