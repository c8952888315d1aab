"""Cases with their classes as the UEA and UCR archives write them: .ts, .arff, and plain columns (.txt, .tsv).

    series, labels = ts(text, where)        a case a line after '@data': channels with ':' between, the class last
    series, labels = arff(text, where)      a case a line after '@data': values with ',' between, the class last; of
                                            several channels '...' with backslash-n between
    series, labels = columns(text, where)   a case a line: the class, then the values, with blanks, tabs or commas

series are arrays (C, T_i) float64; '?', 'NaN' and nothing between commas are NaN; labels are words, '' where unknown.
Sources: the archive's description of .ts (A. Bagnall et al., 2018, arXiv:1811.00075); H. A. Dau et al., The UCR time
series archive, 2018, arXiv:1810.07758.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from loopwright.core.errors import InputError

Read = tuple[list[np.ndarray], list[str]]
_UNKNOWN = ("", "?", "nan")
_TRUE = ("true", "yes")
_EXACT = 1e15  # beyond it two numbers that are written differently may be one float


def word(cell: str) -> str:
    """A class in one form in every file of a problem: '-1.0000000e+00', '-1.0' and ' -1 ' are all '-1'; '?' is ''."""
    text = cell.strip().strip("'\"").strip()
    if text.lower() in _UNKNOWN:
        return ""
    if not re.fullmatch(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", text) or text.lstrip("-").isdecimal():
        return text
    value = float(text)
    return text if abs(value) >= _EXACT else str(int(value)) if value == int(value) else str(value)


def ts(text: str, where: str = "text") -> Read:
    """The cases of a .ts file. InputError for time stamps, a regression problem, or what is no such file."""
    head, lines = _parts(text, where)
    if _flag(head, "timestamps"):
        raise InputError(where, "cases with time stamps", "cases at a regular rate (@timeStamps false)")
    if _flag(head, "targetlabel"):
        raise InputError(where, "numbers to predict (@targetLabel true)", "classes (@classLabel true ...)")
    labelled = _flag(head, "classlabel", True)
    series, labels = [], []
    for number, line in lines:
        parts = line.split(":")
        labels.append(word(parts.pop()) if labelled else "")
        series.append(_channels([part.split(",") for part in parts], f"{where}, line {number}"))
    return _alike(series, labels, where)


def arff(text: str, where: str = "text") -> Read:
    """The cases of an .arff file, of one channel or of several (a relational attribute)."""
    _, lines = _parts(text, where)
    series, labels = [], []
    for number, line in lines:
        if line[0] in "'\"":
            body, _, label = line[1:].rpartition(line[0] + ",")
            rows = [part for part in body.split("\\n") if part.strip()]
        else:
            body, _, label = line.rpartition(",")
            rows = [body] if body else []
        labels.append(word(label))
        series.append(_channels([row.split(",") for row in rows], f"{where}, line {number}"))
    return _alike(series, labels, where)


def columns(text: str, where: str = "text") -> Read:
    """The cases of plain columns, of one channel; series that are shorter than the longest end in NaN and lose it."""
    series, labels = [], []
    width = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        cells = line.split(",") if "," in line else line.split()
        width = width or len(cells)
        if len(cells) < 2:
            raise InputError(f"{where}, line {number}", "a line of one number", "the class, then the values")
        if len(cells) != width:
            given = f"{len(cells)} numbers, the first line has {width}"
            raise InputError(f"{where}, line {number}", given, "as many in each line",
                             "a cut-off last line is the usual cause")
        labels.append(word(cells[0]))
        series.append(_until_last(_channels([cells[1:]], f"{where}, line {number}")))
    return _alike(series, labels, where)


def _parts(text: str, where: str) -> tuple[list[str], list[tuple[int, str]]]:
    """(lines of the header, (number, line) of each case): what stands before and after '@data'."""
    lines = text.splitlines()
    begins = next((i for i, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if begins is None:
        raise InputError(where, "has no line '@data'", "the .ts or .arff form of the UEA and UCR archives")
    cases = [(n, line.strip()) for n, line in enumerate(lines[begins + 1 :], start=begins + 2)]
    return lines[:begins], [(n, line) for n, line in cases if line and line[0] not in "#%"]


def _flag(head: Sequence[str], name: str, otherwise: bool = False) -> bool:
    """What the header says of '@name': true or false, in any spelling, with any blanks."""
    for line in head:
        words = line.lower().replace("_", "").split()
        if len(words) > 1 and words[0] == f"@{name}":
            return words[1] in _TRUE
    return otherwise


def _channels(parts: Sequence[Sequence[str]], where: str) -> np.ndarray:
    """(C, T): channels that are shorter than the longest end in NaN."""
    try:
        rows = [[np.nan if cell.strip().lower() in _UNKNOWN else float(cell) for cell in part] for part in parts]
    except ValueError as error:
        raise InputError(where, str(error), "numbers with commas between") from None
    if not rows:
        raise InputError(where, "a class and no series", "the values of each channel, and the class")
    values = np.full((len(rows), max(len(row) for row in rows)), np.nan)
    for channel, row in zip(values, rows, strict=True):
        channel[: len(row)] = row
    return values


def _until_last(one: np.ndarray) -> np.ndarray:
    """(1, T): without the unknown values at its end."""
    known = np.flatnonzero(np.isfinite(one[0]))
    return one[:, : known[-1] + 1 if len(known) else 1]


def _alike(series: list[np.ndarray], labels: list[str], where: str) -> Read:
    """Raises InputError for no case, or cases of unlike numbers of channels."""
    if not series:
        raise InputError(where, "holds no case", "a line for each case")
    for number, one in enumerate(series, start=1):
        if len(one) != len(series[0]):
            given = f"{len(one)} channels, the first case has {len(series[0])}"
            raise InputError(f"{where}, case {number}", given, "as many in each case")
    return series, labels
