"""Which faults are on in the running node, from its faults file and its scenario."""

from __future__ import annotations

from pathlib import Path

from monitor_loop.embedded.faults import Fault, PlannedFault, read_faults, take_once

ANY_PATH = "*"


class Breaking:
    """`active` is replaced, never changed, so that the servers' threads may read it at any time."""

    def __init__(self, file: Path, scenario: tuple[PlannedFault, ...], speed: float) -> None:
        self._file = file
        self._waiting = [planned for planned in scenario if planned.fault.kind.once]
        self._lasting = [planned for planned in scenario if not planned.fault.kind.once]
        self._speed = speed
        self._seen: object = None
        self._due: list[Fault] = []
        self._switched_on: tuple[Fault, ...] = ()
        self.active: tuple[Fault, ...] = ()

    def find(self, name: str, path: str = "") -> Fault | None:
        """The fault of this name that is on; with a path, the one for exactly this path or for any."""
        return next(
            (one for one in self.active if one.name == name and (not path or one.subject in {path, ANY_PATH})), None
        )

    def number(self, name: str, argument: str, otherwise: float) -> float:
        fault = self.find(name)
        return otherwise if fault is None else fault.number(argument)

    def subjects(self, name: str) -> frozenset[str]:
        return frozenset(one.subject for one in self.active if one.name == name)

    def look(self, elapsed_seconds: float) -> None:
        """Read what is on now; a frozen node looks too, and suffers what happens once when it thaws."""
        self._read_file()
        due = [one for one in self._waiting if elapsed_seconds * self._speed >= one.after_seconds]
        self._waiting = [one for one in self._waiting if one not in due]
        self._due += [one.fault for one in due]
        planned = tuple(one.fault for one in self._lasting if self._lasts(one, elapsed_seconds))
        self.active = self._switched_on + planned

    def take_due(self) -> tuple[Fault, ...]:
        """The faults that happen once and now."""
        due, self._due = tuple(self._due), []
        return due

    def _read_file(self) -> None:
        try:
            status = self._file.stat()
        except FileNotFoundError:
            self._switched_on = ()
            return
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._seen = seen
            self._due += take_once(self._file)
            self._switched_on = tuple(one for one in read_faults(self._file) if not one.kind.once)

    def _lasts(self, planned: PlannedFault, elapsed_seconds: float) -> bool:
        since = elapsed_seconds * self._speed - planned.after_seconds
        return since >= 0 and (planned.for_seconds == 0 or since < planned.for_seconds)
