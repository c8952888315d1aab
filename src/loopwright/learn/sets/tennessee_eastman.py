"""Tennessee Eastman process, simulated by Braatz's group: normal operation and faults, 52 channels each 3 minutes.

Files dNN.dat (training) and dNN_te.dat (960 rows, the fault begins at row 160), as text in a folder or in a zip; d00 is
normal and stands transposed. Protocol: learn from d00, set thresholds on d00_te (normal too, nobody learns from it),
ask every dNN_te: its first 160 rows are false alarms where one is raised. Where d00 is not there, the first 160 rows of
each file are learned from.
Source: L. H. Chiang, E. L. Russell and R. D. Braatz, Fault Detection and Diagnosis in Industrial Systems (2001).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.detecting.recordings import Recording, RecordingSet

NAME = "tennessee_eastman"
TASKS = ("anomaly",)
NEEDS = "dNN_te.dat of a fault or more, in the folder or in a zip there; with d00.dat and d00_te.dat, normal running."
CHANNELS = 52
ONSET = 160  # row at which the fault begins
STEP_S = 180.0
FILE = re.compile(r"d(\d\d)(_te)?\.dat$")
CALM = 40  # rows before the onset that are kept for the threshold where there is no normal run


def _texts(path: Path) -> dict[str, Callable[[], str]]:
    """'00', '00_te', '01_te', ... -> how its text is read."""
    found: dict[str, Callable[[], str]] = {}
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.suffix == ".zip" and zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as packed:
                for name in packed.namelist():
                    if match := FILE.search(name):
                        found[match[1] + (match[2] or "")] = _of_zip(file, name)
        elif file.is_file() and (match := FILE.search(file.name)):
            found[match[1] + (match[2] or "")] = _of_file(file)
    return found


def _of_zip(file: Path, name: str) -> Callable[[], str]:
    def text() -> str:
        with zipfile.ZipFile(file) as packed:
            return packed.read(name).decode("ascii", "replace")

    return text


def _of_file(file: Path) -> Callable[[], str]:
    return lambda: file.read_text("ascii", "replace")


def recognises(path: Path) -> bool:
    """Whether a fault's test run stands here."""
    return any(name.endswith("_te") and not name.startswith("00") for name in _texts(path))


def read(path: Path) -> RecordingSet:
    """One recording a fault, 'fault_01' and on. Raises InputError for text that is not 52 numbers a row."""
    texts = _texts(path)
    names = tuple(f"xmeas_{n}" for n in range(1, 42)) + tuple(f"xmv_{n}" for n in range(1, 12))
    normal = _table(texts["00"](), "d00.dat") if "00" in texts else None
    calm = _table(texts["00_te"](), "d00_te.dat") if "00_te" in texts else None
    found = []
    for name in sorted(key for key in texts if key.endswith("_te") and not key.startswith("00")):
        values = _table(texts[name](), f"d{name}.dat")
        labels = (np.arange(len(values)) >= ONSET).astype(np.int8)
        if normal is None:
            learned = ONSET - CALM
            found.append(Recording(f"fault_{name[:2]}", names, values[:learned], values[learned:ONSET], values[ONSET:],
                                   labels[ONSET:], STEP_S))
            continue
        rest = calm if calm is not None else values[:0]
        found.append(Recording(f"fault_{name[:2]}", names, normal, rest, values, labels, STEP_S, follows=False))
    if not found:
        raise InputError(str(path), "no run with a fault is there", NEEDS)
    notes = () if normal is not None else (f"without d00: learned from the first {ONSET - CALM} rows of each run",)
    return RecordingSet("tennessee_eastman", tuple(found), split="run", notes=notes)


def _table(text: str, where: str) -> np.ndarray:
    """(N, 52) of the file's numbers, whichever way round it stands."""
    try:
        table = np.array([[float(word) for word in line.split()] for line in text.splitlines() if line.split()])
    except ValueError as error:
        raise InputError(where, f"it is no table of numbers ({error})", f"{CHANNELS} numbers a row") from error
    if table.ndim == 2 and table.shape[1] != CHANNELS and table.shape[0] == CHANNELS:
        table = table.T
    if table.ndim != 2 or table.shape[1] != CHANNELS:
        raise InputError(where, f"a table of shape {table.shape}", f"{CHANNELS} numbers a row")
    return np.where(np.isfinite(table), table, np.nan)
