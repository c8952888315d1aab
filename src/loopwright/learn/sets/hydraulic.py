"""Load cycles of a hydraulic test rig with four faults (data/hydraulic, UCI 447, ZeMA 2015).

Files    one a sensor (FS1.txt, TS1.txt, ... or .txt.gz): a line a cycle of 60 s; profile.txt: what each cycle's
         cooler %, valve %, pump leakage, accumulator bar were, and whether conditions were stable
Case     a cycle: every sensor at 10 Hz (slower ones repeat their value, faster ones are averaged)
Sets     hydraulic/cooler, /valve, /pump, /accumulator: the same cycles with another answer each
Groups   blocks of 49 cycles in the order they were recorded; neighbours differ little, so blocks stay whole
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from loopwright.core.errors import InputError
from loopwright.learn.classing.cases import Cases, ClassSet
from loopwright.learn.tables.number_text import found, table_of, text_of

TASKS = ("class",)
NEEDS = "profile.txt and a file a sensor: TS1.txt to TS4.txt, FS1.txt, FS2.txt, VS1.txt, CE.txt, CP.txt, SE.txt"
SENSORS = ("FS1", "FS2", "TS1", "TS2", "TS3", "TS4", "VS1", "CE", "CP", "SE")
FASTER = ("PS1", "PS2", "PS3", "PS4", "PS5", "PS6", "EPS1")  # 100 Hz, in the original archive
TARGETS = ("cooler", "valve", "pump", "accumulator")
BLOCK, EVERY = 49, 5  # cycles; of every five blocks the fifth is kept back from what is handed out
WHOLE = 2_205  # cycles of the original archive
CYCLE_S, RATE_HZ = 60, 10.0


def recognises(path: Path) -> bool:
    """A folder with profile.txt and at least one sensor."""
    return path.is_dir() and found(path, "profile.txt") is not None and bool(_sensors(path))


def read(path: Path) -> tuple[ClassSet, ...]:
    """The four sets. With all cycles of the archive there, each fifth block is also set apart: '<set>/fifth_blocks'."""
    profile_file = found(path, "profile.txt")
    sensors = _sensors(path)
    if profile_file is None or not sensors:
        raise InputError(str(path), "lacks profile.txt or every sensor", NEEDS)
    profile = table_of(profile_file)
    if profile.shape[1] < len(TARGETS):
        raise InputError(str(profile_file), f"{profile.shape[1]} columns", f"{', '.join(TARGETS)}, stable")
    count = int(CYCLE_S * RATE_HZ)
    values = np.stack([_on_grid(_numbers(file, len(profile)), count) for file in sensors.values()], axis=1)  # (n, C, T)
    ids = tuple(f"cycle{i:04d}" for i in range(len(profile)))
    cases = Cases(ids, tuple(values), tuple(sensors), RATE_HZ)
    block = np.arange(len(profile)) // BLOCK
    return tuple(one for k, target in enumerate(TARGETS) for one in _sets(target, cases, profile[:, k], block))


def _sensors(path: Path) -> dict[str, Path]:
    files = {name: found(path, f"{name}.txt") for name in (*SENSORS, *FASTER)}
    return {name: file for name, file in files.items() if file is not None}


def _sets(target: str, cases: Cases, level: np.ndarray, block: np.ndarray) -> list[ClassSet]:
    """The set of one target, divided as the fifth blocks are: a block of a fold stands among blocks of the others."""
    labels = tuple("" if not np.isfinite(v) else f"{v:g}" for v in level)
    groups = tuple(f"block{b:02d}" for b in block)
    every = EVERY if len(cases) == WHOLE else EVERY - 1
    folds = tuple(f"part{b % every}" for b in block)
    note = "cycles of one block resemble each other: the interval counts each as one"
    name = f"hydraulic/{target}"
    sets = [ClassSet(name, cases, labels, groups, "block", folds=folds, notes=(note,))]
    if len(cases) == WHOLE:
        apart = block % EVERY == EVERY - 1
        sets.append(ClassSet(f"{name}/fifth_blocks", cases, labels, groups, "block", apart, folds, notes=(note,)))
    return sets


def _numbers(file: Path, cycles: int) -> np.ndarray:
    """(cycles, T) of one sensor."""
    try:
        table = pacsv.read_csv(
            io.BytesIO(text_of(file).encode()), pacsv.ReadOptions(autogenerate_column_names=True),
            pacsv.ParseOptions(delimiter="\t"),
        )
        values = np.stack([c.cast(pa.float64()).to_numpy() for c in table.columns], axis=1)
    except pa.ArrowInvalid as error:
        raise InputError(str(file), f"is not a table of numbers with tabs between ({error})") from None
    if len(values) != cycles:
        raise InputError(str(file), f"{len(values)} cycles, profile.txt has {cycles}", "a line for each cycle")
    return values


def _on_grid(values: np.ndarray, count: int) -> np.ndarray:
    """(n, count) of (n, T): means where T is longer, repeated where it is shorter."""
    t = values.shape[1]
    if t % count == 0:
        return values.reshape(len(values), count, t // count).mean(axis=2)
    if count % t == 0:
        return np.repeat(values, count // t, axis=1)
    raise InputError("hydraulic", f"{t} values a cycle", f"a divisor or a multiple of {count}")
