"""The .ts text of the UEA and UCR archives (data/imu_basicmotions): <Name>_TRAIN.ts and <Name>_TEST.ts, or .ts.gz.

Header lines begin with '#' or '@'. After '@data' each line is a case: channels with ':' between, numbers with ',', and
the class last. '?' and 'NaN' are unknown. Source of the format: the archive's own description (A. Bagnall et al., 2018,
arXiv:1811.00075).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.classing.cases import Cases, ClassSet
from loopwright.learn.tables.number_text import text_of

TASKS = ("class",)
NEEDS = "<Name>_TRAIN.ts, with <Name>_TEST.ts beside it where it is there (.ts or .ts.gz)"
PARTS = ("_TRAIN.ts", "_TEST.ts")


def recognises(path: Path) -> bool:
    """A folder with such a training file, or that file."""
    return bool(_names(path))


def read(path: Path) -> tuple[ClassSet, ...]:
    """Every problem of the folder, in the order of their names; the published test part stands apart."""
    folder = path if path.is_dir() else path.parent
    names = _names(path)
    if not names:
        raise InputError(str(path), "holds no problem in .ts form", NEEDS)
    return tuple(_problem(folder, name) for name in names)


def _names(path: Path) -> list[str]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    plain = [file.name.removesuffix(".gz") for file in files if file.is_file()]
    return sorted({name.removesuffix(PARTS[0]) for name in plain if name.endswith(PARTS[0])})


def _problem(folder: Path, name: str) -> ClassSet:
    ids: list[str] = []
    values: list[np.ndarray] = []
    labels: list[str] = []
    apart: list[bool] = []
    for test, part in enumerate(PARTS):
        for file in (folder / f"{name}{part}", folder / f"{name}{part}.gz"):
            if not file.is_file():
                continue
            cases, words = parse(text_of(file), str(file))
            ids += [f"{'test' if test else 'train'}/{i}" for i in range(len(cases))]
            values, labels, apart = values + cases, labels + words, apart + [bool(test)] * len(cases)
            break
    channels = tuple(f"c{i}" for i in range(values[0].shape[0]))
    cases_ = Cases(tuple(ids), tuple(values), channels)
    held = np.array(apart) if any(apart) else None
    return ClassSet(name, cases_, tuple(labels), tuple(ids), "case", held)


def parse(text: str, where: str = "text") -> tuple[list[np.ndarray], list[str]]:
    """(series (C, T_i) of each case, class of each) of one file. Time stamps are not read: InputError says so."""
    lines = text.splitlines()
    begins = next((i for i, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if begins is None:
        raise InputError(where, "has no line '@data'", "the .ts form of the UEA and UCR archives")
    head = " ".join(lines[:begins]).lower()
    if "@timestamps true" in head:
        raise InputError(where, "cases with time stamps", "cases at a regular rate (@timeStamps false)")
    labelled = "@classlabel false" not in head
    series, labels = [], []
    for number, line in enumerate(lines[begins + 1 :], start=begins + 2):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.strip().split(":")
        labels.append(parts.pop().strip() if labelled else "")
        series.append(_channels(parts, f"{where}, line {number}"))
        if series[-1].shape[0] != series[0].shape[0]:
            given = f"{series[-1].shape[0]} channels, the first case has {series[0].shape[0]}"
            raise InputError(f"{where}, line {number}", given, "as many in each case")
    if not series:
        raise InputError(where, "holds no case", "a line for each case after '@data'")
    return series, labels


def _channels(parts: list[str], where: str) -> np.ndarray:
    try:
        rows = [
            [float("nan") if cell.strip() in ("?", "") else float(cell) for cell in part.split(",")] for part in parts
        ]
    except ValueError as error:
        raise InputError(where, str(error), "numbers with commas between") from None
    if not rows:
        raise InputError(where, "a class and no series", "channels with ':' between, then the class")
    values = np.full((len(rows), max(len(row) for row in rows)), np.nan)
    for channel, row in zip(values, rows, strict=True):
        channel[: len(row)] = row
    return values
