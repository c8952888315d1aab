"""Machining runs of a CNC mill with a worn or an unworn tool (data/cnc_mill_wear, University of Michigan SMART lab).

Files     experiment_01.csv to experiment_18.csv (or .csv.gz) at 10 Hz; labels.csv, or the archive's train.csv
Case      a run: what the spindle and the axes did while the tool cut, without the rest of the run
Channels  spindle acceleration, current, power; currents of the axes; the programmed feed. Positions, the mains voltage
          and the times are left out: they name the tool or the day (`learn.splits.FORBIDDEN`)
Measures  the numbers of `learn.wear.runs` (unsteadiness, levels, feed, clamp) for models of recorded runs
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from loopwright.core.errors import InputError
from loopwright.learn.classing.cases import Cases, ClassSet
from loopwright.learn.tables.number_text import found, text_of
from loopwright.learn.wear.runs import RunSettings, assemble, measure

TASKS = ("class",)
NEEDS = "experiment_01.csv and so on (or .csv.gz), with labels.csv or train.csv beside them"
STAGED = (1, 2, 3, 5, 6, 7, 8, 10, 11, 13, 14, 16, 17)  # runs that are handed out; the others no model has seen
CHANNELS = (
    "S1_ActualAcceleration", "S1_CurrentFeedback", "S1_OutputPower", "X1_CurrentFeedback", "Y1_CurrentFeedback",
    "M1_CURRENT_FEEDRATE",
)
_ROLES = {  # column -> (signal of learn.wear.runs, factor to units inside)
    "S1_ActualVelocity": ("s.velocity", 2.0 * np.pi), "S1_ActualAcceleration": ("s.acceleration", 2.0 * np.pi),
    "S1_CurrentFeedback": ("s.current_feedback", 1.0), "S1_OutputPower": ("s.output_power", 1e3),
    "M1_CURRENT_FEEDRATE": ("program.feed", 1e-3),
}
_SETTINGS = RunSettings(frozenset({1}))
_PROCESS, _TOOL = "Machining_Process", "tool_condition"
_NAME = re.compile(r"experiment_(\d+)\.csv(\.gz)?$", re.IGNORECASE)
_PA_PER_BAR = 1e5


def recognises(path: Path) -> bool:
    """A folder with such runs."""
    return path.is_dir() and any(_NAME.match(file.name) for file in path.iterdir())


def read(path: Path) -> tuple[ClassSet, ...]:
    """Every run in the order of its number; and, where runs beyond STAGED are there, a set with those apart.

    A run that no label is known of is answered and not scored. Of one with too little cutting to be judged nothing is
    measured, and a note says so: what is said of it is hardly more than a guess.
    """
    files = {int(m.group(1)): file for file in sorted(path.iterdir()) if (m := _NAME.match(file.name))}
    if not files:
        raise InputError(str(path), "holds no run", NEEDS)
    told = _labels(path)
    values, labels, notes = [], [], []
    measures: dict[str, dict[str, float]] = {}
    clamps: dict[str, float | None] = {}
    for number, file in sorted(files.items()):
        name = f"run{number:02d}"
        table = _table(file)
        series, measures[name] = _cutting(table, file)
        if not measures[name]:
            notes.append(f"{name}: fewer than {_SETTINGS.least_samples} samples of cutting; its answer is a guess")
        values.append(series)
        word, clamps[name] = told.get(number, ("", None))
        labels.append(word or _said(table))
    ids = tuple(measures)
    cases = Cases(ids, tuple(values), CHANNELS, 10.0, assemble(measures, clamps))
    sets = [ClassSet("cnc_mill_wear", cases, tuple(labels), ids, "run", notes=tuple(notes))]
    apart = np.array([number not in STAGED for number in sorted(files)])
    if apart.any() and not apart.all():
        sets.append(ClassSet("cnc_mill_wear/other_runs", cases, tuple(labels), ids, "run", apart, notes=tuple(notes)))
    return tuple(sets)


def _labels(path: Path) -> dict[int, tuple[str, float | None]]:
    """Run number -> (worn, unworn or '', clamp pressure in Pa or None): of labels.csv, then what train.csv adds."""
    files = [file for name in ("train.csv", "labels.csv") if (file := found(path, name)) is not None]
    return {number: said for file in files for number, said in _of_table(file).items()}


def _of_table(file: Path) -> dict[int, tuple[str, float | None]]:
    rows = csv.DictReader(io.StringIO(text_of(file)))
    told: dict[int, tuple[str, float | None]] = {}
    for line, row in enumerate(rows, start=2):
        try:
            number = int(row.get("No") or row.get("no") or "")
            clamp = float(row["clamp_pressure"]) * _PA_PER_BAR if row.get("clamp_pressure") else None
        except (ValueError, TypeError) as error:
            allowed = "No, feedrate, clamp_pressure, tool_condition"
            raise InputError(f"{file}, line {line}", str(error), allowed) from None
        told[number] = ((row.get(_TOOL) or "").strip().lower(), clamp)
    return told


def _table(file: Path) -> pa.Table:
    try:
        table = pacsv.read_csv(io.BytesIO(text_of(file).encode()))
    except pa.ArrowInvalid as error:
        raise InputError(str(file), f"is not a table of comma-separated values ({error})") from None
    missing = sorted({*CHANNELS, *_ROLES, _PROCESS} - set(table.column_names))
    if missing:
        raise InputError(str(file), f"lacks the columns {', '.join(missing)}", "the columns of a recorded run")
    return table


def _said(table: pa.Table) -> str:
    """The tool's condition as every row of the run has it; '' where they say nothing or not the same."""
    if _TOOL not in table.column_names:
        return ""
    words = {str(word).strip().lower() for word in table.column(_TOOL).unique().to_pylist()}
    return words.pop() if len(words) == 1 else ""


def _cutting(table: pa.Table, file: Path) -> tuple[np.ndarray, dict[str, float]]:
    """((C, T) while the tool cut, else of the whole run; measures, {} where there is too little cutting)."""
    try:
        column = {n: table.column(n).cast(pa.float64()).to_numpy() for n in {*CHANNELS, *_ROLES}}
    except pa.ArrowInvalid as error:
        raise InputError(str(file), f"holds what is no number ({error})", "numbers") from None
    if table.num_rows == 0:
        raise InputError(str(file), "holds a header and no rows", "one row for each 0.1 s")
    steps = table.column(_PROCESS).to_pylist()
    layer = np.array([str(word).strip().lower().startswith("layer") for word in steps])
    columns = {signal: column[name] * factor for name, (signal, factor) in _ROLES.items()}
    measures = measure(columns | {_SETTINGS.process: layer.astype(np.float64)}, _SETTINGS)
    if measures is None:
        return np.stack([column[name] for name in CHANNELS]), {}
    speed = columns["s.velocity"]
    slow = columns["program.feed"] < 0.999 * _SETTINGS.rapid_m_s
    inside = layer & (speed >= 0.95 * np.nanquantile(speed, 0.95)) & slow
    return np.stack([column[name][inside] for name in CHANNELS]), measures
