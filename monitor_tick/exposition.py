"""Reads the Prometheus text format.

What the node prints is read here, a line at a time and more than ten times faster than by prometheus_client, whose
import alone costs more than the scan. A line outside that plain grammar (an escape or a brace in a label, a timestamp,
an exemplar, odd spacing) is handed to prometheus_client, alone: a sample means the same without its neighbours, its
line number is known, and without the # TYPE line the client does not append `_total` to a counter that lacks it.
"""

from __future__ import annotations

import re

from monitor_tick.metrics import Labels, Series

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'(?!__)[a-zA-Z_][a-zA-Z0-9_]*="[^"\\]*"'
_match_sample = re.compile(rf"({_NAME})(?:\{{([^}}]*)\}})? ([0-9A-Za-z.+-]+)").fullmatch
_match_type = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram|summary)").fullmatch
_match_labels = re.compile(rf"{_LABEL}(?:,{_LABEL})*").fullmatch
_label_pairs = re.compile(r'([a-zA-Z0-9_]+)="([^"]*)"').findall

_ODD_LINE_CHARACTERS = 8 * 1024
"""prometheus_client takes quadratic time over one line; the node's longest is below 200 characters."""

_ODD_CHARACTERS = 2 * 1024 * 1024
"""All that the client is given of one text: a few seconds at its pace."""

_EXCERPT_CHARACTERS = 60


class ExpositionError(Exception):
    """The text is not an exposition. `line` counts from 1; `excerpt` is the start of that line, in ASCII."""

    def __init__(self, line: int, what: str, text: str) -> None:
        self.line = line
        self.excerpt = ascii(text[:_EXCERPT_CHARACTERS])
        super().__init__(f"line {line}: {what}: {self.excerpt}")


def parse(body: str) -> tuple[dict[str, str], dict[Series, float]]:
    """The types by family name and the samples by series, both named as printed. Raises ExpositionError.

    HELP texts, timestamps and exemplars are not kept. A series or a type stated twice is an error: which of the two
    holds would be a guess.
    """
    types: dict[str, str] = {}
    samples: dict[Series, float] = {}
    labels_of: dict[str | None, Labels] = {None: ()}
    other_lines: list[tuple[int, str]] = []
    for number, line in enumerate(body.split("\n"), 1):
        plain = _match_sample(line)
        if plain is None:
            other_lines.append((number, line))
            continue
        name, text, value = plain.groups()
        labels = labels_of.get(text)
        if labels is None:
            labels = _plain_labels(text)
            if labels is None:
                other_lines.append((number, line))
                continue
            labels_of[text] = labels
        count = len(samples)
        try:
            samples[name, labels] = float(value)
        except ValueError:
            raise ExpositionError(number, "not a number", line) from None
        if len(samples) == count:
            raise ExpositionError(number, "series stated twice", line)
    _read_others(other_lines, types, samples)
    return types, samples


def _plain_labels(text: str) -> Labels | None:
    """The labels between the braces; None where reading them takes the whole grammar."""
    if _match_labels(text) is None:
        return None
    labels = tuple(sorted(_label_pairs(text)))
    return labels if len(dict(labels)) == len(labels) else None


def _read_others(lines: list[tuple[int, str]], types: dict[str, str], samples: dict[Series, float]) -> None:
    """Comments, blank lines, and what only the whole grammar can read."""
    odd_characters = 0
    for number, line in lines:
        plain = _match_type(line)
        if plain is not None:
            _state_type(types, plain[1], plain[2], number, line)
        elif not _is_comment(line):
            odd_characters += len(line)
            if len(line) > _ODD_LINE_CHARACTERS or odd_characters > _ODD_CHARACTERS:
                raise ExpositionError(number, "too long outside the plain grammar", line)
            _read_odd(line, number, types, samples)


def _is_comment(line: str) -> bool:
    """True for blank lines and for every line that starts with # and is no # TYPE line."""
    if line == "" or line.startswith("# HELP "):
        return True
    words = line.split(None, 2)
    return not words or (words[0].startswith("#") and words[:2] != ["#", "TYPE"])


def _read_odd(line: str, number: int, types: dict[str, str], samples: dict[Series, float]) -> None:
    from prometheus_client.parser import text_string_to_metric_families  # slow, rarely needed

    try:
        families = list(text_string_to_metric_families(line))
    except Exception as error:  # garbage makes the client raise ValueError, IndexError and others
        raise ExpositionError(number, "not an exposition", line) from error
    for family in families:
        if not family.samples:
            # The client cuts a counter's `_total`; the only name on this line tells whether it was there.
            printed = f"{family.name}_total"
            _state_type(types, printed if printed in line else family.name, family.type, number, line)
        for sample in family.samples:
            series = sample.name, tuple(sorted(sample.labels.items()))
            if series in samples:
                raise ExpositionError(number, "series stated twice", line)
            samples[series] = float(sample.value)


def _state_type(types: dict[str, str], name: str, stated: str, number: int, line: str) -> None:
    if name in types:
        raise ExpositionError(number, "type stated twice", line)
    types[name] = stated
