"""Numenta Anomaly Benchmark: univariate series with windows round each anomaly.

A file is a table `timestamp,value` (plain or gzipped) in a folder such as realTweets; `combined_windows.json` names,
for each file, the windows in which it is anomalous. Protocol of TSB-AD: the first quarter of a file, at least 500 rows,
may be learned from; every row counts for VUS-PR. Rows stay in the order of the file, whatever their times say.
Source: A. Lavin and S. Ahmad, ICMLA 2015; https://github.com/numenta/NAB (MIT). The published table of VUS-PR a file:
Q. Liu and J. Paparrizos, NeurIPS 2024; https://github.com/TheDatumOrg/TSB-AD (Apache-2.0).
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.detecting.recordings import Recording, RecordingSet
from loopwright.learn.tables import table_text

NAME = "nab"
TASKS = ("anomaly",)
NEEDS = "CSV files timestamp,value in folders, and combined_windows.json in them or in labels/."
WINDOWS = "combined_windows.json"
TABLE = "tsb_ad_vus_pr_*.csv"
LEAST = 500  # rows to learn from, half of a file at most
NOT_METHODS = ("file", "ts_len", "anomaly_len", "num_anomaly", "avg_anomaly_len", "anomaly_ratio", "point_anomaly",
               "seq_anomaly")


def _files(path: Path) -> list[Path]:
    """Tables timestamp,value at the path and in the folders there."""
    places = [path, *(sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else [])]
    return [file for place in places for file in table_text.tables(place)
            if table_text.header(file) == ["timestamp", "value"]]


def _windows_file(path: Path) -> Path | None:
    """The file of windows in the folder, below it, or beside it."""
    places = [path, *path.parents[:2]] if path.is_dir() else list(path.parents[:3])
    for place in places:
        for name in (WINDOWS, f"labels/{WINDOWS}"):
            if (place / name).is_file():
                return place / name
    return next(iter(sorted(path.rglob(WINDOWS))), None) if path.is_dir() else None


def recognises(path: Path) -> bool:
    """Whether tables timestamp,value stand here with the windows of their anomalies."""
    return bool(_files(path)) and _windows_file(path) is not None


def read(path: Path) -> RecordingSet:
    """Every file that the windows name. Raises InputError for windows that cannot be read or name no file here."""
    where = _windows_file(path)
    if where is None:
        raise InputError(str(path), f"{WINDOWS} is not there", NEEDS)
    try:
        windows = json.loads(where.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(str(where), f"it cannot be read ({error})", "file -> list of [first, last] times") from error
    found, without = [], []
    for file in _files(path):
        key = _key(file, windows)
        if key is None:
            without.append(file.name)
            continue
        found.append(_recording(file, key, windows[key]))
    if not found:
        raise InputError(str(path), f"{where.name} names none of its files", "names such as realTweets/file.csv")
    notes = (f"without windows and left out: {', '.join(without)}",) if without else ()
    return RecordingSet("nab", tuple(found), published=_published(path, found), notes=notes)


def _key(file: Path, windows: Any) -> str | None:
    """Under which name the windows know the file."""
    name = f"{table_text.stem(file)}.csv"
    if not isinstance(windows, dict):
        return None
    full = f"{file.parent.name}/{name}"
    same = [key for key in windows if key.rsplit("/", 1)[-1] == name]
    return full if full in windows else same[0] if len(same) == 1 else None


def _recording(file: Path, key: str, windows: Any) -> Recording:
    _, lines = table_text.rows(file)
    if len(lines) < 2:
        raise InputError(str(file), f"{len(lines)} rows", "at least 2")
    t_s = table_text.times_s([line[0] for line in lines], str(file))
    values = table_text.numbers([line[1] for line in lines])[:, None]
    labels = np.zeros(len(values), dtype=np.int8)
    for pair in windows if isinstance(windows, list) else []:
        first, last = table_text.times_s([str(edge).split(".")[0] for edge in pair[:2]], f"{WINDOWS}: {key}")
        labels[(t_s >= first) & (t_s <= last)] = 1
    steps = np.diff(t_s[np.isfinite(t_s)])
    step_s = float(np.median(steps)) if len(steps) and np.median(steps) > 0 else 1.0
    rows = min(max(LEAST, len(values) // 4), len(values) // 2)
    return Recording(
        name=key.removesuffix(".csv"),
        channels=("value",),
        fit=values[:rows],
        calm=values[:0],
        asked=values[rows:],
        labels=labels[rows:],
        step_s=step_s,
        before=labels[:rows],
    )


def _published(path: Path, recordings: list[Recording]) -> dict[str, dict[str, float]]:
    """Recording -> method -> VUS-PR of the table beside the data, for files of the same rows and labels.

    The table's files lack the first row and count the first row of each window as usual, and hide their names: a file
    is told by its length, its number of labelled rows and the row at which the first window begins.
    """
    place = path if path.is_dir() else path.parent
    tables = [file for folder in (place, place.parent) for file in sorted(folder.glob(TABLE))]
    if not tables:
        return {}
    with table_text.opened(tables[0]) as text:
        rows = list(csv.DictReader(text))
    told: dict[tuple[int, int, int], dict[str, float]] = {}
    for row in rows:
        try:
            first = int(row["file"].rsplit("1st_", 1)[1].split(".")[0])
            shape = (int(float(row["ts_len"])), int(float(row["anomaly_len"])), first)
            told[shape] = {name: float(value) for name, value in row.items() if name not in NOT_METHODS}
        except (KeyError, IndexError, ValueError, TypeError):
            continue
    out = {}
    for recording in recordings:
        labels = np.concatenate((recording.before if recording.before is not None else [], recording.labels))
        if labels.any():
            starts = int((np.diff(labels, prepend=0) == 1).sum())
            shape = (len(labels) - 1, int(labels.sum()) - starts, int(np.argmax(labels)))
            if shape in told:
                out[recording.name] = told[shape]
    return out
