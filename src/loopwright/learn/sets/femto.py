"""FEMTO / PRONOSTIA: bearings run to failure, a snapshot of 0.1 s of two accelerations at 25.6 kHz each 10 s.

A bearing is a Parquet table Bearing*.parquet with snapshot, horiz_g and vert_g, rows of one snapshot together, and
total_snapshots.json beside it with the true length of each life (without it the last snapshot counts as the end); or,
as published, in Learning_set and Full_Test_Set, a folder Bearing1_1 with acc_00001.csv and so on: hour, minute, second,
microsecond, horizontal, vertical.
Learned from is the first fifth of a life but its first quarter, the run-in (both chosen on the six learning bearings).
For remaining life (`lives`) a bearing is left out whole.
A row of a recording is a snapshot; its channels are logarithms of what a maintenance engineer looks at.
Source: P. Nectoux et al., IEEE PHM 2012 (PRONOSTIA).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.detecting.recordings import Recording, RecordingSet
from loopwright.learn.lives.units import LifeSet, Unit, cut
from loopwright.learn.tables import table_text

NAME = "femto"
TASKS = ("anomaly", "life")
NEEDS = ("Bearing*.parquet with snapshot, horiz_g, vert_g and total_snapshots.json beside them; or folders Bearing1_1 "
         "and so on with acc_00001.csv, as published.")
CYCLE = 12  # snapshots: a life is told in cycles of 120 s, as the tables keep every twelfth
ASKED_AT = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # of the life of a bearing that is left out: where it is cut
CONDITIONS = {"1": (1800.0, 4000.0), "2": (1650.0, 4200.0), "3": (1500.0, 5000.0)}  # 1/min and N, by the first digit
COLUMNS = ("snapshot", "horiz_g", "vert_g")
TOTALS = "total_snapshots.json"
LEAST = 5  # snapshots
LEARNED = 0.2  # share of a life up to which is learned from
RUN_IN = 0.25  # of those snapshots: the bearing runs in, and they are not asked either
SNAPSHOT_S = 10.0
RATE_HZ = 25_600.0
BANDS_HZ = (0.0, 1_000.0, 3_000.0, 6_000.0, 12_800.0)
FEATURES = ("rms", "peak", "kurtosis", *(f"band_{int(low)}_{int(high)}_hz" for low, high in
                                         itertools.pairwise(BANDS_HZ)))


def recognises(path: Path) -> bool:
    """Whether a bearing's table stands here."""
    return bool(table_text.parquets(path, COLUMNS) or _folders(path))


def _folders(path: Path) -> list[Path]:
    """Folders of bearings as published: the path itself, those in it, those in its Learning_set and Full_Test_Set."""
    places = [path, *(path / name for name in ("Learning_set", "Full_Test_Set"))]
    inside = [child for place in places if place.is_dir() for child in sorted(place.iterdir()) if child.is_dir()]
    return [one for one in [path, *inside] if one.name.startswith("Bearing") and any(one.glob("acc_*.csv"))]


def read(path: Path) -> RecordingSet:
    """One recording a bearing: labels are 0 in the first half of its life and 1 after it.

    Raises InputError for a table that is cut off, or of fewer than 5 snapshots in the first fifth.
    """
    totals_file = (path if path.is_dir() else path.parent) / TOTALS
    totals = _totals(totals_file)
    found = []
    for file in [*table_text.parquets(path, COLUMNS), *_folders(path)]:
        name = file.name.removesuffix(".parquet")
        number, values = _published(file) if file.is_dir() else _features(file)
        total = max(int(totals.get(name, number[-1])), int(number[-1]))
        rows = int(np.searchsorted(number, LEARNED * total, side="right"))
        if rows < LEAST or len(number) - rows < LEAST:
            raise InputError(str(file), f"{len(number)} snapshots", f"at least {LEAST} in the first fifth of life")
        labels = (number > total / 2).astype(np.int8)
        step_s = float(np.median(np.diff(number))) * SNAPSHOT_S
        channels = tuple(f"{axis}_{feature}" for axis in ("horiz", "vert") for feature in FEATURES)
        found.append(
            Recording(name, channels, values[int(rows * RUN_IN):rows], values[:0], values[rows:], labels[rows:], step_s,
                      left=1.0 - number[rows:] / total)
        )
    if not found:
        raise InputError(str(path), "no bearing is there", NEEDS)
    notes = () if totals else (f"without {TOTALS} the last snapshot counts as the end of life",)
    return RecordingSet("bearing_femto", tuple(found), split="time", protocol="life", notes=notes)


def lives(path: Path) -> tuple[LifeSet, ...]:
    """One set: each bearing left out in turn and cut at ASKED_AT; as published, with Test_set, its split instead.

    A cycle is CYCLE snapshots. Where Full_Test_Set is there too it gives the truth of Test_set.
    Raises InputError for fewer than three bearings that ran to failure, or a table that is cut off.
    """
    totals = _totals((path if path.is_dir() else path.parent) / TOTALS)
    official = path / "Test_set"
    files = [*table_text.parquets(path, COLUMNS), *_folders(path)]
    if official.is_dir():
        files = [file for file in files if file.parent.name == "Learning_set"]
    whole = [_life(file, totals) for file in files]
    if len(whole) < 3:
        raise InputError(str(path), f"{len(whole)} bearings ran to failure", "at least 3", NEEDS)
    signals = tuple(f"{axis}_{feature}" for axis in ("horiz", "vert") for feature in FEATURES)
    notes: tuple[str, ...] = (f"a cycle is {CYCLE} snapshots, {CYCLE * SNAPSHOT_S:g} s",
                              "phm2012: score of the IEEE PHM 2012 challenge, 0 to 1, larger is better")
    if official.is_dir():
        test = tuple(_stopped(folder, path / "Full_Test_Set") for folder in _folders(official))
        return (LifeSet("bearing_femto", tuple(whole), test, signals, split="bearing", challenge=True, notes=notes),)
    folds = tuple((tuple(one for one in whole if one is not out), _cuts(out)) for out in whole)
    asked = tuple(unit for _, test in folds for unit in test)
    notes = (*notes, f"each bearing is left out whole and asked at {', '.join(f'{at:.0%}' for at in ASKED_AT)} of life")
    return (LifeSet("bearing_femto", tuple(whole), asked, signals, folds, "bearing", True, notes),)


def _life(file: Path, totals: Mapping[str, float]) -> Unit:
    """A bearing that ran to failure, a row a cycle."""
    name = file.name.removesuffix(".parquet")
    number, values = _published(file, CYCLE) if file.is_dir() else _features(file)
    last = max(float(totals.get(name, 0.0)), _count(file) if file.is_dir() else float(number[-1]))
    even = np.flatnonzero((number - number[0]) % CYCLE == 0)
    return Unit(name, values[even], _condition(name, len(even)), (last - float(number[even[-1]])) / CYCLE)


def _cuts(unit: Unit) -> tuple[Unit, ...]:
    """The bearing as it was at each of ASKED_AT."""
    life = len(unit) + float(unit.left or 0.0)
    return tuple(replace(cut(unit, int(at * life)), id=f"{unit.id}@{at:.0%}") for at in ASKED_AT)


def _stopped(folder: Path, full: Path) -> Unit:
    """A test bearing as published: it stops early; the whole life, where it stands in `full`, tells the truth."""
    number, values = _published(folder, CYCLE)
    whole = full / folder.name
    left = (_count(whole) - float(number[-1])) / CYCLE if whole.is_dir() else None
    return Unit(folder.name, values, _condition(folder.name, len(values)), left)


def _count(folder: Path) -> float:
    """Snapshots of a bearing as published: the number of its last file."""
    return float(max(int(file.stem.removeprefix("acc_")) for file in folder.glob("acc_*.csv")))


def _condition(name: str, rows: int) -> np.ndarray:
    """(rows, 2) speed, 1/min, and load, N, by the digit after 'Bearing'; NaN for another name."""
    return np.tile(CONDITIONS.get(name.removeprefix("Bearing")[:1], (np.nan, np.nan)), (rows, 1))


def _totals(file: Path) -> dict[str, float]:
    if not file.is_file():
        return {}
    try:
        told = json.loads(file.read_text("utf-8"))
        return {str(name): float(count) for name, count in told.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(str(file), f"it cannot be read ({error})", "bearing -> number of snapshots") from error


def _features(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """((S,) numbers of the snapshots, (S, 14) their features)."""
    columns = table_text.parquet_columns(file, COLUMNS)
    number = table_text.arrow_numbers(columns["snapshot"])
    edges = np.concatenate(([0], np.flatnonzero(np.diff(number) != 0) + 1, [len(number)]))
    axes = [table_text.arrow_numbers(columns[name]) for name in COLUMNS[1:]]
    rows = [np.concatenate([described(axis[a:b]) for axis in axes])
            for a, b in itertools.pairwise(edges)]
    return number[edges[:-1]], np.array(rows)


def _published(folder: Path, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """As `_features`, of a folder of acc_*.csv, a snapshot a file; cells have commas or semicolons between.

    step  every how many files are read
    """
    numbers, rows = [], []
    for file in sorted(folder.glob("acc_*.csv"))[::step]:
        with table_text.opened(file) as text:
            lines = text.read().replace(";", ",").split()
        try:
            table = np.array([line.split(",")[4:6] for line in lines], dtype=np.float64)
            numbers.append(int(file.stem.removeprefix("acc_")))
        except ValueError as error:
            allowed = "hour,minute,second,microsecond,horizontal,vertical"
            raise InputError(str(file), f"it cannot be read ({error})", allowed) from error
        if table.ndim != 2 or table.shape[1] != 2:
            raise InputError(str(file), f"{len(lines)} rows without two accelerations", "six cells a row")
        rows.append(np.concatenate([described(axis) for axis in table.T]))
    return np.array(numbers, dtype=np.float64), np.array(rows)


def described(g: np.ndarray) -> np.ndarray:
    """(7,) natural logarithms of rms (g), peak (g), kurtosis and power in four bands (g^2); NaN where nothing is."""
    known = g[np.isfinite(g)]
    if len(known) < 16:
        return np.full(len(FEATURES), np.nan)
    away = known - known.mean()
    power = np.square(away).mean()
    spectrum = np.square(np.abs(np.fft.rfft(away))) / len(away)
    hz = np.fft.rfftfreq(len(away), 1.0 / RATE_HZ)
    bands = [spectrum[(hz >= low) & (hz < high)].sum() for low, high in
             itertools.pairwise(BANDS_HZ)]
    kurtosis = np.mean(away**4) / max(power, 1e-12) ** 2
    told = np.array([np.sqrt(power), np.abs(away).max(), kurtosis, *bands])
    return np.log(np.maximum(told, 1e-12))
