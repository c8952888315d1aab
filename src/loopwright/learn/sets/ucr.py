"""Problems of the UEA and UCR archives (data/imu_basicmotions, data/health_ecg): a training file, and the test part.

Files    <Name>_TRAIN and <Name>_TEST with .ts, .tsv, .txt, .arff or nothing behind, plain or .gz, in any case of
         letters (`learn.tables.class_text` reads them). Of a problem in several forms the first of FORMS is read; a
         test part that is there only in another form is read from that
Sets     one a problem, the published test part apart; without a test part every case is left out once in its fold
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.classing.cases import Cases, ClassSet
from loopwright.learn.tables import class_text
from loopwright.learn.tables.number_text import text_of

TASKS = ("class",)
NEEDS = "<Name>_TRAIN.ts (or .tsv, .txt, .arff, each plain or .gz), with <Name>_TEST beside it where it is there"
FORMS: dict[str, Callable[[str, str], class_text.Read]] = {
    "ts": class_text.ts, "tsv": class_text.columns, "txt": class_text.columns, "": class_text.columns,
    "arff": class_text.arff,
}
NOTE = ("the files do not say whose each case is: cases count as independent, and where one person or machine gave "
        "several, the interval is too narrow")
_NAME = re.compile(r"(?P<name>.+)[_-](?P<part>train|test)(?:\.(?P<form>ts|tsv|txt|arff))?(?:\.gz)?", re.IGNORECASE)
_DIMENSION = re.compile(r"(.+)dimension\d+")  # one channel of a problem of several, which stands beside it whole


@dataclass(frozen=True)
class Problem:
    """name as its training file has it; form one of FORMS; train, test its files (test None where none is there)."""

    name: str
    form: str
    train: Path
    test: Path | None


def recognises(path: Path) -> bool:
    """A folder with such a training file, or that file."""
    return bool(problems(path))


def read(path: Path) -> tuple[ClassSet, ...]:
    """Every problem of the folder, in the order of their names."""
    found = problems(path)
    if not found:
        raise InputError(str(path), "holds no problem of the UEA and UCR archives", NEEDS)
    return tuple(_set(one) for one in found)


def problems(path: Path) -> list[Problem]:
    """Every problem of the folder in the order of their names, or that of one training file."""
    if not path.is_dir() and not _NAME.fullmatch(path.name):
        return []
    files: dict[str, dict[tuple[str, str], Path]] = {}
    for file in sorted((path if path.is_dir() else path.parent).iterdir()):
        match = _NAME.fullmatch(file.name)
        if match and file.is_file():
            key = match["part"].lower(), (match["form"] or "").lower()
            files.setdefault(match["name"].lower(), {}).setdefault(key, file)
    found = [_problem(parts) for parts in files.values() if any(part == "train" for part, _ in parts)]
    whole = [one for one in found if (m := _DIMENSION.fullmatch(one.name.lower())) is None or m[1] not in files]
    asked = whole if path.is_dir() else [one for one in whole if _name(one.train) == _name(path)]
    return sorted(asked, key=lambda one: one.name)


def _name(file: Path) -> str:
    match = _NAME.fullmatch(file.name)
    return match["name"].lower() if match else ""


def _problem(parts: dict[tuple[str, str], Path]) -> Problem:
    form = next(form for form in FORMS if ("train", form) in parts)
    train = parts["train", form]
    match = _NAME.fullmatch(train.name)
    tests = [parts["test", other] for other in (form, *FORMS) if ("test", other) in parts]
    return Problem(match["name"] if match else train.name, form, train, tests[0] if tests else None)


def _set(problem: Problem) -> ClassSet:
    """Its cases with the test part apart; every case is a group of its own, for the files tell of no other.

    Raises InputError for files that are none, or parts of unlike numbers of channels.
    """
    ids: list[str] = []
    values: list[np.ndarray] = []
    labels: list[str] = []
    for part, file in (("train", problem.train), ("test", problem.test)):
        if file is None:
            continue
        match = _NAME.fullmatch(file.name)
        form = (match["form"] or "").lower() if match else problem.form
        series, words = FORMS[form](text_of(file), str(file))
        if values and len(series[0]) != len(values[0]):
            given = f"{len(series[0])} channels, the training part has {len(values[0])}"
            raise InputError(str(file), given, "as many in both parts")
        ids += [f"{part}/{i}" for i in range(len(series))]
        values, labels = values + series, labels + words
    channels = ("value",) if len(values[0]) == 1 else tuple(f"c{i}" for i in range(len(values[0])))
    apart = np.array([one.startswith("test/") for one in ids])
    cases = Cases(tuple(ids), tuple(values), channels)
    held = apart if apart.any() else None
    return ClassSet(problem.name, cases, tuple(labels), tuple(ids), "case", held, notes=(NOTE,))
