"""The record of every full tick: what a judgement needs, and what was decided. `replay`, `tune` and `explain` read it.

One file a tick in <session>/metrics/archive, named by its UTC time so that names sort. A file is a MessagePack array:
the schema, the layout (types and series of the scrape, which hardly ever change, so that a reader decodes them once)
and the body, both compressed; zlib's own checksum finds damage.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

import msgspec

from monitor_loop import files
from monitor_loop.session import Session
from monitor_tick.facts import Missing
from monitor_tick.metrics import Labels, Scrape, Series, labels_by_name
from monitor_tick.plan import Filing
from monitor_tick.recorded.record import Entry, Record, Trace, Unreadable, record_of, series_of
from monitor_tick.state.shelf import FILE_LIMIT, reason_of
from monitor_tick.verdict import Verdict
from monitor_tick.view import View

SCHEMA = 1
"""Version of a file; it moves when a field changes its meaning or goes."""

_NAME = "%Y%m%dT%H%M%S.%fZ"
_SUFFIX = ".tick"
_UNFINISHED = ".unfinished"
_BODY_LIMIT = 64 * 2**20
_LEVEL = 1


class _Layout(msgspec.Struct, frozen=True, dict=True):
    types: dict[str, str]
    series: tuple[Series, ...]

    @cached_property
    def labels_by_name(self) -> Mapping[str, Sequence[Labels]]:
        return labels_by_name(self.series)


class _File(msgspec.Struct, frozen=True, array_like=True):
    schema: int
    layout: bytes
    body: bytes


_decode_file = msgspec.msgpack.Decoder(_File).decode
_EMPTY = _Layout({}, ())


def directory_of(session: Session) -> Path:
    return session.metrics / "archive"


# --- write -------------------------------------------------------------------------------------------------------


def name_of(view: View) -> str:
    """The name that `write` gives this tick; empty for one that is not archived."""
    if view.phase.early or not view.session.directory.is_dir():
        return ""
    return view.facts.at.strftime(_NAME)


def write(view: View, verdicts: Sequence[Verdict], filings: Sequence[Filing] = ()) -> str:
    """Add this tick's entry and drop the oldest beyond the bound; what went wrong, in one line, else nothing.

    Nothing is written where the session has no directory. The rename makes an entry whole or absent; it is not made
    durable, since a lost entry of history is no harm to the node.
    """
    if not view.session.directory.is_dir():
        return ""
    directory = directory_of(view.session)
    scrape = view.facts.scrape
    try:
        content = _render(record_of(view, verdicts, filings), None if isinstance(scrape, Missing) else scrape)
        directory.mkdir(parents=True, exist_ok=True)
        unfinished = directory / _UNFINISHED
        unfinished.write_bytes(content)
        unfinished.replace(directory / f"{view.facts.at.strftime(_NAME)}{_SUFFIX}")
        _bound(directory, view.rules.limits.archive_ticks)
    except (OSError, TypeError, ValueError, OverflowError) as error:  # a value that cannot be packed costs no tick
        return f"archive: this tick is not in it ({reason_of(error)})"
    return ""


def _render(record: Record, scrape: Scrape | None) -> bytes:
    layout = _Layout(dict(sorted(scrape.types.items())), series_of(scrape)) if scrape else _EMPTY
    packed = (zlib.compress(msgspec.msgpack.encode(each), _LEVEL) for each in (layout, record))
    return msgspec.msgpack.encode(_File(SCHEMA, *packed))


def _bound(directory: Path, ticks: int) -> None:
    for name in _names(directory)[:-ticks]:
        with contextlib.suppress(FileNotFoundError):
            (directory / name).unlink()


def _names(directory: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if name.endswith(_SUFFIX))  # noqa: PTH208  (names only)
    except FileNotFoundError:
        return []


# --- read --------------------------------------------------------------------------------------------------------


def entries(directory: Path, since: datetime | None = None) -> Iterator[Entry | Unreadable]:
    """Oldest first, one in memory at a time. OSError where the directory cannot be read."""
    reader = _LayoutReader()
    decode = msgspec.msgpack.Decoder(Record).decode
    for name, file in _files(directory, since):
        if isinstance(file, Unreadable):
            yield file
            continue
        try:
            yield _entry(decode(_unpacked(file.body)), reader.read(file.layout))
        except (zlib.error, ValueError, RecursionError) as error:
            yield Unreadable(name, _one_line(error))


def traces(directory: Path, since: datetime | None = None) -> Iterator[Trace | Unreadable]:
    """The decisions alone, which takes a tenth of the time."""
    decode = msgspec.msgpack.Decoder(Trace).decode
    for name, file in _files(directory, since):
        if isinstance(file, Unreadable):
            yield file
            continue
        try:
            yield decode(_unpacked(file.body))
        except (zlib.error, ValueError, RecursionError) as error:
            yield Unreadable(name, _one_line(error))


def _files(directory: Path, since: datetime | None) -> Iterator[tuple[str, _File | Unreadable]]:
    first = since.strftime(_NAME) if since else ""
    for name in _names(directory):
        if name < first:
            continue
        try:
            content = files.read(directory / name, FILE_LIMIT)
            if content is None:  # a tick that runs beside this reader drops the oldest
                continue
            file = _decode_file(content)
            if file.schema != SCHEMA:
                raise ValueError(f"schema {file.schema}, this version reads {SCHEMA}")
        except (OSError, ValueError) as error:
            yield name, Unreadable(name, _one_line(error))
        else:
            yield name, file


class _LayoutReader:
    """Decodes a layout once for as long as it does not change."""

    def __init__(self) -> None:
        self._packed = b""
        self._layout = _EMPTY
        self._decode = msgspec.msgpack.Decoder(_Layout).decode

    def read(self, packed: bytes) -> _Layout:
        if packed != self._packed:
            self._layout = self._decode(_unpacked(packed))
            self._packed = packed
        return self._layout


def _entry(record: Record, layout: _Layout) -> Entry:
    reading = record.reading
    if reading is None:
        return Entry(record, None)
    samples = dict(zip(layout.series, reading.values, strict=True))
    scrape = Scrape(reading.identity, reading.at, layout.types, samples)
    scrape.__dict__["labels_by_name"] = layout.labels_by_name  # what the scrape would find, once for all ticks alike
    return Entry(record, scrape)


def _unpacked(packed: bytes) -> bytes:
    unpack = zlib.decompressobj()
    content = unpack.decompress(packed, _BODY_LIMIT)
    if not unpack.eof:
        raise ValueError("cut short" if len(content) < _BODY_LIMIT else f"larger than {_BODY_LIMIT} bytes")
    return content


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
