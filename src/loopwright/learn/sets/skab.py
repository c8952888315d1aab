"""Skoltech anomaly benchmark: a water circulation rig, eight sensors at 1 Hz, faults of valves, rotor and leaks.

A file is a table with semicolons: datetime, eight sensors, anomaly, changepoint (plain or gzipped). Protocol of the
benchmark: the first 400 rows of a file are learned from, the others are asked. Files without labels are left out.
Source: I. Katser and V. Kozitsin, SKAB (2020); https://github.com/waico/SKAB (GPL-3.0).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.detecting.recordings import Recording, RecordingSet
from loopwright.learn.tables import table_text

NAME = "skab"
TASKS = ("anomaly",)
NEEDS = "tables datetime;Accelerometer1RMS;...;anomaly;changepoint, plain or gzipped, in folders."
TRAIN = 400  # rows


def _head(file: Path) -> list[str]:
    """Names of the columns, empty for a table of another kind."""
    cells = table_text.header(file)
    names = [name.strip() for name in cells[0].split(";")] if len(cells) == 1 else cells
    return names if names[:1] == ["datetime"] and "Accelerometer1RMS" in names else []


def _files(path: Path) -> list[Path]:
    places = [path, *(sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else [])]
    return [file for place in places for file in table_text.tables(place) if "anomaly" in _head(file)]


def recognises(path: Path) -> bool:
    """Whether a labelled table of the rig stands here or in a folder here."""
    return bool(_files(path))


def read(path: Path) -> RecordingSet:
    """Every labelled file. Raises InputError for a file that is too short to hold rows to be asked."""
    found = []
    for file in sorted(_files(path), key=lambda f: (f.parent.name, len(f.name), f.name)):
        head = _head(file)
        with table_text.opened(file) as text:
            lines = [line.rstrip("\r\n").replace(",", ";").split(";") for line in text][1:]
        cells = [line for line in lines if len(line) >= len(head)]
        if len(cells) <= TRAIN:
            raise InputError(str(file), f"{len(cells)} rows", f"more than the {TRAIN} that are learned from")
        columns = {name: table_text.numbers([line[i] for line in cells]) for i, name in enumerate(head) if i}
        labels = (np.nan_to_num(columns.pop("anomaly")) > 0.5).astype(np.int8)
        columns.pop("changepoint", None)
        values = np.column_stack(list(columns.values()))
        name = f"{file.parent.name}/{table_text.stem(file)}"
        found.append(Recording(name, tuple(columns), values[:TRAIN], values[:0], values[TRAIN:], labels[TRAIN:], 1.0))
    if not found:
        raise InputError(str(path), "no labelled table is there", NEEDS)
    return RecordingSet("skab", tuple(found))
