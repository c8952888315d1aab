"""Vibration of a gearbox, healthy or with a broken tooth, at ten loads (data/gearbox, OpenEI 2018, SpectraQuest).

Files    healthy_30hz_load20.parquet (state_speed_load), or h30hz20.csv and b30hz20.csv of the OpenEI archive, here
         or in folders named after the state ('Healthy Data', 'BrokenTooth'), plain or .gz
Channels a1 to a4, four accelerometers; the source does not say the rate, so frequencies are shares of it
Case     a window of WINDOW samples; windows of one recording, and the recordings of one load, stay together
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from loopwright.core.errors import InputError
from loopwright.learn.classing.cases import Cases, ClassSet, windowed
from loopwright.learn.tables.number_text import text_of

TASKS = ("class",)
NEEDS = "healthy_30hz_load00.parquet, broken_30hz_load00.parquet and so on, or h30hz0.csv and b30hz0.csv"
WINDOW = 2_000  # samples; with 40,000 in a recording 20 windows
MOST_WINDOWS = 60  # of one recording, spread over it: the longest published recordings have 113,000 samples
STAGED = (0, 20, 40, 60, 80)  # loads that are handed out; the others are what a model has not seen
CHANNELS = ("a1", "a2", "a3", "a4")
_FOLDER = re.compile(r"(healthy|broken)", re.IGNORECASE)
_NAME = re.compile(r"(healthy|broken|h|b)_?(\d+)hz_?(?:load)?(\d+)\.(parquet|csv|csv\.gz)$", re.IGNORECASE)


def recognises(path: Path) -> bool:
    """A folder with such recordings."""
    return bool(_files(path))


def read(path: Path) -> tuple[ClassSet, ...]:
    """The windows of all recordings, load by load; and, where other loads than STAGED are there, those set apart."""
    found = _files(path)
    if not found:
        raise InputError(str(path), "holds no recording of the gearbox", NEEDS)
    ids: list[str] = []
    values: list[np.ndarray] = []
    labels: list[str] = []
    loads: list[int] = []
    for load, state, file in found:
        windows = windowed(_recording(file), WINDOW)
        if not windows:
            raise InputError(str(file), f"fewer than {WINDOW} samples", f"at least {WINDOW}: one window")
        kept = np.unique(np.linspace(0, len(windows) - 1, min(len(windows), MOST_WINDOWS)).astype(int)).tolist()
        ids += [f"{state}/load{load:02d}/{i}" for i in kept]
        values += [windows[i] for i in kept]
        labels, loads = labels + [state] * len(kept), loads + [load] * len(kept)
    cases = Cases(tuple(ids), tuple(values), CHANNELS)
    groups = tuple(f"load{load:02d}" for load in loads)
    whole = tuple(one.rsplit("/", 1)[0] for one in ids)
    sets = [ClassSet("gearbox", cases, tuple(labels), groups, "load", whole=whole)]
    apart = np.array([load not in STAGED for load in loads])
    if apart.any() and not apart.all():
        sets.append(ClassSet("gearbox/other_loads", cases, tuple(labels), groups, "load", apart, whole=whole))
    return tuple(sets)


def _files(path: Path) -> list[tuple[int, str, Path]]:
    """(load, state, file) of each recording in the folder, or in folders in it that are named after a state."""
    if not path.is_dir():
        return []
    folders = [path, *(inside for inside in sorted(path.iterdir()) if inside.is_dir() and _FOLDER.match(inside.name))]
    files = [(m, file) for folder in folders for file in sorted(folder.iterdir()) if (m := _NAME.match(file.name))]
    first: dict[tuple[int, str], Path] = {}
    for m, file in files:  # a recording in two forms is one recording
        first.setdefault((int(m.group(3)), _state(m.group(1))), file)
    return sorted((load, state, file) for (load, state), file in first.items())


def _state(word: str) -> str:
    return {"h": "healthy", "b": "broken"}[word[0].lower()]


def _recording(file: Path) -> np.ndarray:
    """(4, T) of one file."""
    try:
        if file.suffix.lower() == ".parquet":
            table = pq.read_table(file)
        else:
            table = pacsv.read_csv(io.BytesIO(text_of(file).encode()))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(str(file), f"cannot be read as a table ({error})", "", "fetch it again") from None
    table = table.rename_columns([name.strip().lower() for name in table.column_names])
    missing = [name for name in CHANNELS if name not in table.column_names]
    if missing:
        raise InputError(str(file), f"lacks the columns {', '.join(missing)}", ", ".join(CHANNELS))
    try:
        return np.stack([table.column(c).cast(pa.float64()).to_numpy() for c in CHANNELS]).astype(np.float64)
    except pa.ArrowInvalid as error:
        raise InputError(str(file), f"holds what is no number ({error})", "numbers") from None
