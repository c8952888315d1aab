"""NASA's turbofan engines run to failure (C-MAPSS): train_FD00x.txt, test_FD00x.txt, RUL_FD00x.txt, plain or .gz.

26 columns: engine, cycle, 3 settings, 21 sensors. Training engines run until they fail; test engines stop earlier, and
RUL_FD00x.txt gives how many cycles each lived on. Where that file is not there, only predictions can be made.
Source: A. Saxena, K. Goebel, D. Simon and N. Eklund, Damage Propagation Modeling for Aircraft Engine Run-to-Failure
Simulation, PHM 2008; NASA Prognostics Center of Excellence (readme.txt of the data set).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.lives.units import LifeSet, Unit
from loopwright.learn.tables.number_text import found, table_of

TASKS = ("life",)
NEEDS = "train_FD00x.txt and test_FD00x.txt of NASA's set, RUL_FD00x.txt where it is there (plain or .gz)"
SENSORS = (
    "T2", "T24", "T30", "T50", "P2", "P15", "P30", "Nf", "Nc", "epr", "Ps30", "phi", "NRf", "NRc", "BPR", "farB",
    "htBleed", "Nf_dmd", "PCNfR_dmd", "W31", "W32",
)
_FILE = re.compile(r"(train|test)_(FD\d{3})\.txt(\.gz)?$", re.IGNORECASE)


def recognises(path: Path) -> bool:
    """A folder with a training or test file of this name, or such a file."""
    return bool(_names(path))


def read(path: Path) -> tuple[LifeSet, ...]:
    """Every sub-set that is there, FD001 first; one without its training or test file is left out, and it is noted.

    Raises InputError where none is whole, or a file does not fit.
    """
    folder = path if path.is_dir() else path.parent
    names = _names(path)
    if not names:
        raise InputError(str(path), "holds no C-MAPSS set", NEEDS)
    halves = {name: part for name in names for part in ("train", "test") if found(folder, f"{part}_{name}.txt") is None}
    whole = [name for name in names if name not in halves]
    if not whole:
        name, part = next(iter(halves.items()))
        raise InputError(str(folder), f"{part}_{name}.txt is not there", NEEDS)
    notes = tuple(f"{name} is left out: {part}_{name}.txt is not there" for name, part in halves.items())
    return tuple(replace(_one(folder, name), notes=notes) for name in whole)


def _names(path: Path) -> list[str]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    matches = (_FILE.match(file.name) for file in files)
    return sorted({match.group(2).upper() for match in matches if match})


def _one(folder: Path, name: str) -> LifeSet:
    train, test = found(folder, f"train_{name}.txt"), found(folder, f"test_{name}.txt")
    if train is None or test is None:
        raise InputError(str(folder), f"train or test of {name} is not there", NEEDS)
    truth_file = found(folder, f"RUL_{name}.txt")
    learned = [Unit(engine, values, settings, 0.0) for engine, values, settings in _engines(train, f"{name}/train")]
    stopped = _engines(test, f"{name}/test")
    truth = None if truth_file is None else table_of(truth_file)[:, 0]
    if truth is not None and len(truth) != len(stopped):
        raise InputError(str(truth_file), f"{len(truth)} lines", f"{len(stopped)}, one for each test engine")
    left = [None] * len(stopped) if truth is None else [float(value) for value in truth]
    asked = [Unit(*engine, one) for engine, one in zip(stopped, left, strict=True)]
    return LifeSet(f"cmapss/{name}", tuple(learned), tuple(asked), SENSORS)


def _engines(file: Path, part: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """[(id, values (T, 21), settings (T, 3))] in the order of the engines, cycles ascending."""
    table = table_of(file)
    if table.shape[1] != 5 + len(SENSORS):
        raise InputError(str(file), f"{table.shape[1]} columns", "26: engine, cycle, 3 settings, 21 sensors")
    if not np.isfinite(table[:, :2]).all():
        raise InputError(str(file), "an engine or a cycle is not a number", "whole numbers in the first two columns")
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    same = (np.diff(table[:, 0]) == 0) & (np.diff(table[:, 1]) == 0)
    if same.any():
        engine, cycle = table[1:][same][0, :2]
        raise InputError(str(file), f"cycle {cycle:g} of engine {engine:g} stands twice", "each cycle once")
    engines = np.split(table, np.flatnonzero(np.diff(table[:, 0])) + 1)
    return [(f"{part}/{int(rows[0, 0])}", rows[:, 5:], rows[:, 2:5]) for rows in engines]
