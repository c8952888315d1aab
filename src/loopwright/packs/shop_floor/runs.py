"""Reads a folder of recorded machining runs: experiment_NN.csv (or .gz) and what inspection said about each.

    read_runs(folder)                       every run in order, with its label where there is one
    place(runs, things, origin_ns)          which machine made which run, and when (assumed: no dates)
    points(placed)                          POINTS_IN rows of a placed run, at 10 Hz
    labelled(placed)                        'run.labelled' events
    import_runs(folder, options)            all of it for one machine: the pack's importer `runs`

What inspection found (worn or unworn) never becomes a signal: it is the answer that a model must find. Some copies of
the files carry it as a column of every row; it is checked against the labels and then left out.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from loopwright.connect.batch import from_columns, from_rows
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.pack import Imported, ImportOptions
from loopwright.core.types import GOOD, Event, Thing
from loopwright.core.units import to_inside
from loopwright.packs.shop_floor.signals import (
    COLUMNS,
    LABEL_COLUMN,
    LAST_LAYER,
    MILL,
    PROCESS,
    PROCESS_COLUMN,
    RATE_HZ,
    STATE,
)

_FILE = re.compile(r"^experiment_0*(\d+)\.csv(\.gz)?$", re.IGNORECASE)
_LABEL_FILES = ("labels.csv", "labels.csv.gz", "train.csv", "train.csv.gz")
_CODES = {word.lower(): code for code, word in PROCESS.items()}
_ACTIVE = next(code for code, word in STATE.items() if word == "active")
_IDLE = next(code for code, word in STATE.items() if word == "idle")
PERIOD_NS = round(NS_PER_S / RATE_HZ)


@dataclass(frozen=True)
class Label:
    """What is known about a run beside its signals: how it was set up, and what inspection found.

    tool       'worn' or 'unworn'
    feed_m_s   feed rate of the set-up, clamp_pa: pressure of the vise, None where the file does not say
    finalized  whether the machining came to its end; passed: whether the part passed inspection; None when not said
    """

    tool: str
    feed_m_s: float | None = None
    clamp_pa: float | None = None
    finalized: bool | None = None
    passed: bool | None = None


@dataclass(frozen=True)
class Run:
    """One recorded machining run: number, file, (n,) arrays by signal in inside units (states as codes), label."""

    number: int
    file: str
    columns: Mapping[str, np.ndarray]
    label: Label | None = None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Samples in it, 0.1 s apart."""
        return len(next(iter(self.columns.values())))

    @property
    def complete(self) -> bool:
        """Whether the program came to its last layer: what a machine's own part counter would count."""
        return bool((self.columns["machining.process"] == LAST_LAYER).any())


@dataclass(frozen=True)
class Placed:
    """A run on a machine from start_ns to end_ns (the first and the last sample). id: '<machine>/run-<number>'."""

    run: Run
    thing: str
    start_ns: int
    end_ns: int
    parts_before: int = 0

    @property
    def id(self) -> str:
        """What events and decisions call it."""
        return f"{self.thing}/run-{self.run.number}"


def read_runs(folder: Path) -> tuple[Run, ...]:
    """Every run of the folder in the order of its number. A run without a label is read all the same.

    Raises InputError for a path that is no folder, a folder without runs, and any file that cannot be used.
    """
    if not folder.is_dir():
        raise InputError(str(folder), "is not a folder", "a folder with experiment_01.csv (or .csv.gz) and labels.csv")
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        match = _FILE.match(path.name)
        if match and path.is_file():
            number = int(match.group(1))
            if number in files:
                there = files[number].name
                raise InputError(str(path), f"run {number} is already there as {there}", "one file for each run")
            files[number] = path
    if not files:
        raise InputError(str(folder), "holds no runs", "files called experiment_NN.csv or experiment_NN.csv.gz")
    labels = read_labels(folder)
    return tuple(_read_run(number, path, labels.get(number)) for number, path in sorted(files.items()))


def read_labels(folder: Path) -> dict[int, Label]:
    """Run number -> Label from labels.csv, or from train.csv as the Kaggle zip has it; {} when neither is there."""
    path = next((folder / name for name in _LABEL_FILES if (folder / name).is_file()), None)
    if path is None:
        return {}
    rows = list(csv.DictReader(io.StringIO(_bytes(path).decode("utf-8-sig"))))
    header = {_plain(name): name for name in (rows[0] if rows else {}) if name}
    need = {"no", "toolcondition"} - set(header)
    if need:
        lacking = ", ".join(sorted(need))
        raise InputError(str(path), f"lacks the columns {lacking}", "No, feedrate, clamp_pressure, tool_condition")
    labels: dict[int, Label] = {}
    for line, row in enumerate(rows, start=2):
        number, label = _label({name: row[column] or "" for name, column in header.items()}, f"{path}:{line}")
        if number in labels:
            raise InputError(f"{path}:{line}", f"run {number} stands there twice", "one row for each run")
        labels[number] = label
    return labels


def _label(row: Mapping[str, str], where: str) -> tuple[int, Label]:
    tool = row["toolcondition"].strip().lower()
    if tool not in ("worn", "unworn"):
        raise InputError(where, f"tool_condition is {tool!r}", "worn, unworn")
    number = _number(row["no"], where, "No")
    if number is None or number != int(number):
        raise InputError(where, f"No is {row['no']!r}", "the whole number of the run's file")
    feed = _number(row.get("feedrate", ""), where, "feedrate")
    clamp = _number(row.get("clamppressure", ""), where, "clamp_pressure")
    return int(number), Label(
        tool=tool,
        feed_m_s=None if feed is None else to_inside(feed, "mm/s"),
        clamp_pa=None if clamp is None else to_inside(clamp, "bar"),
        finalized=_yes(row.get("machiningfinalized", row.get("machiningcompleted", ""))),
        passed=_yes(row.get("passedvisualinspection", "")),
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _number(text: str, where: str, column: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        raise InputError(where, f"{column} is {text!r}", "a number") from None
    if not math.isfinite(value):
        raise InputError(where, f"{column} is {text!r}", "a finite number")
    return value


def _yes(text: str) -> bool | None:
    return {"yes": True, "no": False}.get(text.strip().lower())


def _bytes(path: Path) -> bytes:
    """The file's bytes, unpacked; InputError for an empty, truncated or broken one."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            given = f"the compressed file is broken or cut off ({error})"
            raise InputError(str(path), given, "", "fetch it again") from None
    if not data.strip():
        raise InputError(str(path), "the file is empty", "a header and one row for each 0.1 s")
    return data


def _read_run(number: int, path: Path, label: Label | None) -> Run:
    table = _table(path)
    missing = sorted((set(COLUMNS) | {PROCESS_COLUMN}) - set(table.column_names))
    if missing:
        allowed = f"the {len(COLUMNS) + 1} columns of a recorded run"
        raise InputError(str(path), f"lacks the columns {', '.join(missing)}", allowed)
    if table.num_rows == 0:
        raise InputError(str(path), "holds a header and no rows", "one row for each 0.1 s")
    notes = []
    extra = sorted(set(table.column_names) - set(COLUMNS) - {PROCESS_COLUMN, LABEL_COLUMN})
    if extra:
        notes.append(f"{path.name}: columns that no signal has were left out: {', '.join(extra)}")
    columns: dict[str, np.ndarray] = {}
    for column, (signal, unit) in COLUMNS.items():
        values = _floats(table, column, path)
        columns[signal] = to_inside(values, unit) if unit else values  # type: ignore[arg-type,assignment]
    codes, unknown = _process(table)
    columns["machining.process"] = codes
    if unknown:
        notes.append(f"{path.name}: steps of unknown name were stored as 'Unknown': {', '.join(unknown)}")
    notes += _label_notes(table, path, label)
    return Run(number, path.name, columns, label, tuple(notes))


def _table(path: Path) -> pa.Table:
    data = _bytes(path).removeprefix(b"\xef\xbb\xbf")
    try:
        table = pacsv.read_csv(io.BytesIO(data))
    except pa.ArrowInvalid as error:
        given = f"is not a table of comma-separated values: {error}"
        raise InputError(str(path), given, "", "a cut-off last line is the usual cause") from None
    return table.rename_columns([name.strip() for name in table.column_names])


def _floats(table: pa.Table, column: str, path: Path) -> np.ndarray:
    values = table.column(column)
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_null(values.type)):
        raise InputError(str(path), f"column {column} holds {values.type} values", "numbers with a decimal point")
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _process(table: pa.Table) -> tuple[np.ndarray, list[str]]:
    """(codes of the steps (n,), words that no code has)."""
    words = table.column(PROCESS_COLUMN).cast(pa.string()).combine_chunks().dictionary_encode()
    plain = [(word or "").strip().lower() for word in words.dictionary.to_pylist()]
    codes = np.array([*(_CODES.get(word, 0) for word in plain), 0])
    indices = words.indices.fill_null(len(plain)).to_numpy(zero_copy_only=False)
    return codes[indices], sorted({word for word in plain if word not in _CODES})


def _label_notes(table: pa.Table, path: Path, label: Label | None) -> list[str]:
    if label is None:
        return [f"{path.name}: no label for this run"]
    if LABEL_COLUMN not in table.column_names:
        return []
    said = {str(word).strip().lower() for word in table.column(LABEL_COLUMN).unique().to_pylist()}
    if said == {label.tool}:
        return []
    return [f"{path.name}: its rows say {', '.join(sorted(said))}, the labels say {label.tool}"]


def place(
    runs: Sequence[Run], things: Sequence[str], origin_ns: int, spacing_s: float = 1800.0, pause_s: float = 1.0
) -> tuple[Placed, ...]:
    """Gives each run a machine and a time, because the files have neither: assumed, and the same every time.

    things     machines, dealt out like cards: the first run to the first machine
    origin_ns  when the first run of each machine begins
    spacing_s  from the start of one run of a machine to the start of its next
    pause_s    at least so long between two runs of a machine, where a run takes longer than spacing_s
    """
    if not things:
        raise InputError("recorded runs", "there is no machine to play them", "at least one thing of kind 'mill'")
    free_ns, parts = dict.fromkeys(things, origin_ns), dict.fromkeys(things, 0)
    placed = []
    for i, run in enumerate(runs):
        thing = things[i % len(things)]
        start_ns = free_ns[thing]
        end_ns = start_ns + (run.rows - 1) * PERIOD_NS
        placed.append(Placed(run, thing, start_ns, end_ns, parts[thing]))
        parts[thing] += run.complete
        free_ns[thing] = max(start_ns + round(spacing_s * NS_PER_S), end_ns + round(pause_s * NS_PER_S))
    return tuple(placed)


def points(placed: Placed) -> pa.Table:
    """POINTS_IN rows of a placed run, ordered by time.

    Every signal stands at 10 Hz, the machine's state once a second, its part count at both ends. An empty cell is a gap
    that the source reported: a row without a value.
    """
    run, n = placed.run, placed.run.rows
    t_ns = placed.start_ns + np.arange(n, dtype=np.int64) * PERIOD_NS
    columns = {**run.columns, "run.number": np.full(n, run.number, dtype=np.int64)}
    table = from_columns(placed.thing, t_ns, columns, MILL)
    seconds = range(0, n, round(RATE_HZ))
    slow = [(placed.thing, "machine.state", int(t_ns[i]), _ACTIVE, GOOD) for i in seconds if i < n - 1]
    slow.append((placed.thing, "machine.state", int(t_ns[-1]), _IDLE, GOOD))
    slow.append((placed.thing, "part.count", placed.start_ns, placed.parts_before, GOOD))
    slow.append((placed.thing, "part.count", placed.end_ns, placed.parts_before + run.complete, GOOD))
    things = {placed.thing: (Thing(placed.thing, MILL.name), MILL)}
    rest, _ = from_rows(slow, things)
    return pa.concat_tables([table, rest]).sort_by([("t_ns", "ascending")]).combine_chunks()


def labelled(placed: Iterable[Placed], actor: str = "import:runs") -> tuple[Event, ...]:
    """'run.labelled' events: what inspection found, and how the run was set up; known at the run's end."""
    return tuple(_labelled(one, one.run.label, actor) for one in placed if one.run.label is not None)


def _labelled(one: Placed, label: Label, actor: str) -> Event:
    body: dict[str, Any] = {
        "thing": one.thing, "start_ns": one.start_ns, "end_ns": one.end_ns, "label": label.tool,
        "number": one.run.number, "file": one.run.file, "assumed": ["thing", "start_ns", "end_ns"],
        "feed_m_s": label.feed_m_s, "clamp_pa": label.clamp_pa, "finalized": label.finalized, "passed": label.passed,
    }
    return Event("run.labelled", one.id, one.end_ns, actor, body, key=f"run.labelled/{one.id}/{one.start_ns}")


def import_runs(folder: Path, options: ImportOptions) -> Imported:
    """The pack's importer `runs`: every run of the folder on one machine called 'mill', a minute apart.

    Rows stand 0.1 s apart as they were recorded, so options.spacing_s is not used.
    """
    runs = read_runs(folder)
    placed = place(runs, ["mill"], options.origin_ns, spacing_s=0.0, pause_s=60.0)
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if _FILE.match(path.name) or path.name in _LABEL_FILES:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return Imported(
        what="runs", path=str(folder), hash=digest.hexdigest(), rows=sum(run.rows for run in runs),
        table=pa.concat_tables([points(one) for one in placed]), events=labelled(placed),
        notes=tuple(note for run in runs for note in run.notes),
        assumed={"thing": "mill", "origin_ns": options.origin_ns, "pause_s": 60.0},
    )
