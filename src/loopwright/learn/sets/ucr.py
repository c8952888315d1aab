"""The text form of the UCR archive (data/health_ecg): <Name>_TRAIN.txt with <Name>_TEST.txt, or .tsv, or .gz of these.

Each line is a case of one channel: the class as a number, then the values, with blanks, tabs or commas between. Series
shorter than the longest end in NaN. Source: H. A. Dau et al., The UCR time series archive (2018), arXiv:1810.07758.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.classing.cases import Cases, ClassSet
from loopwright.learn.tables.number_text import found, table_of

TASKS = ("class",)
NEEDS = "<Name>_TRAIN.txt, with <Name>_TEST.txt beside it where it is there (.txt or .tsv, plain or .gz)"
_TRAIN = re.compile(r"(.+)_TRAIN\.(txt|tsv)(\.gz)?$")


def recognises(path: Path) -> bool:
    """A folder with such a training file, or that file."""
    return bool(_names(path))


def read(path: Path) -> tuple[ClassSet, ...]:
    """Every problem of the folder, in the order of their names; the published test part stands apart."""
    folder = path if path.is_dir() else path.parent
    names = _names(path)
    if not names:
        raise InputError(str(path), "holds no problem in the text form of the UCR archive", NEEDS)
    return tuple(_problem(folder, name) for name in names)


def _names(path: Path) -> list[str]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    matches = (_TRAIN.match(file.name) for file in files if file.is_file())
    return sorted({match.group(1) for match in matches if match})


def _problem(folder: Path, name: str) -> ClassSet:
    ids: list[str] = []
    rows: list[np.ndarray] = []
    labels: list[str] = []
    for part in ("TRAIN", "TEST"):
        file = found(folder, f"{name}_{part}.txt", f"{name}_{part}.tsv")
        if file is None:
            continue
        table = table_of(file)
        if table.shape[1] < 2:
            raise InputError(str(file), "lines of one number", "the class, then the values")
        ids += [f"{part.lower()}/{i}" for i in range(len(table))]
        rows += [_until_last(row[1:]) for row in table]
        labels += [_word(value) for value in table[:, 0]]
    apart = np.array([one.startswith("test/") for one in ids])
    cases = Cases(tuple(ids), tuple(rows), ("value",))
    return ClassSet(name, cases, tuple(labels), tuple(ids), "case", apart if apart.any() else None)


def _until_last(row: np.ndarray) -> np.ndarray:
    """(1, T): without the unknown values at its end."""
    known = np.flatnonzero(np.isfinite(row))
    return row[None, : known[-1] + 1 if len(known) else 1]


def _word(value: float) -> str:
    return "" if not np.isfinite(value) else str(int(value)) if value == int(value) else str(value)
