"""The node's whole metric list with the levels a quiet day has, from metrics.tsv in this package."""

from __future__ import annotations

from importlib.resources import files

import msgspec


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `levels` has one number for each label value, or one: per closed ledger for a counter, the value of a
    gauge, the mean seconds of a histogram; empty where the mode never shows it. `spread` is relative, and for a
    histogram the sigma of a lognormal. `samples` are those of one closed ledger; 0 where events record them.
    """

    name: str
    kind: str
    label: str
    label_values: tuple[str, ...]
    edges: tuple[str, ...]
    levels: tuple[float, ...]
    spread: float
    samples: int
    text: str

    @property
    def series(self) -> tuple[str, ...]:
        """The label part of every series: `{reason="range"}`, or one empty string."""
        return tuple(f'{{{self.label}="{value}"}}' for value in self.label_values) or ("",)


def load_catalogue(*, is_validator: bool) -> tuple[Metric, ...]:
    text = files("monitor_loop.embedded").joinpath("metrics.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(_metric(row, is_validator) for row in rows[1:])


def _metric(row: list[str], is_validator: bool) -> Metric:
    name, kind, labels, edges, validator, watcher, spread, samples, text = row
    label, _, values = labels.partition("=")
    levels = validator if is_validator else watcher
    return Metric(
        name=name,
        kind=kind,
        label=label,
        label_values=tuple(values.split("|")) if values else (),
        edges=tuple(edges.split(",")) if edges else (),
        levels=() if levels == "-" else tuple(float(level) for level in levels.split("|")),
        spread=float(spread),
        samples=int(samples),
        text=text,
    )
