"""Files: a recording in CSV (gz too) or Parquet as a source like any other, and a stream written to such a file.

Wide: one column a signal, `columns = {"Spindle speed" = "spindle.speed"}`. Long: one row a value, where `columns` maps
to the words thing, signal, value (code, n, quality). Nothing given: the long form that `expose` writes.
The samples are numbered in the order of the file, under its content's hash: reading it again doubles nothing, and a
reading that was killed goes on. How to: docs/how-to/connect-files.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from loopwright.connect.batch import Said, Things, frames, from_columns, rank_of_equal
from loopwright.connect.files import cells
from loopwright.connect.files.chunks import Chunk, Form, chunks, inspect, require
from loopwright.core.clock import NS_PER_S, Clock
from loopwright.core.errors import InputError, UnitError, UnknownName
from loopwright.core.types import POINTS_IN, Batch, Kind, Signal
from loopwright.core.units import inside_unit

WHERE = "connect.files"
SAMPLES = 50_000  # in one batch
_COUNT = Signal("n", "1", "counter", None, None, None, "any whole number")
OWN = {name: name for name in ("thing", "signal", "n", "value", "code", "quality")}


@dataclass(frozen=True)
class Settings:
    """One file.

    path         .csv, .csv.gz or .parquet
    columns      column -> signal (wide), or column -> thing, signal, value, code, n, quality (long)
    time         column of the time
    time_format  '' for ISO 8601 and numbers since 1970 (s, ms, us, ns by size), else as strptime: '%d.%m.%Y %H:%M'
    time_zone    of times that do not name theirs
    thing        whose values they are, where no column says it
    units        signal -> unit in the file, where it is not the inside one; a row of units under the header says it too
    known        column that says when each row became known
    delay_s      else: how long after its time (such rows are marked assumed); None: when it is read
    delimiter    '' finds it
    decimal      '.' or ','
    encoding     of the text
    """

    path: str
    columns: Mapping[str, str] = field(default_factory=dict)
    time: str = "t_ns"
    time_format: str = ""
    time_zone: str = "UTC"
    thing: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    known: str = ""
    delay_s: float | None = None
    delimiter: str = ""
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"


async def read(
    settings: Settings, things: Things, cursor: Callable[[str], int | None], clock: Clock
) -> AsyncIterator[Batch]:
    """The file's values in batches of about SAMPLES, numbered in its order; cells that are no values become refused.

    source  'files/<16 digits>': of the content and of how it is to be read; read otherwise, it is another source
    `cursor` is not needed: what was stored before is told from the numbers and counted as duplicate.
    Raises InputError before the first batch for a file that is not there, empty, cut off, or in another encoding, for
    columns that it lacks, and when no time of the first rows can be read.
    """
    path = Path(settings.path)
    form = await asyncio.to_thread(inspect, path, settings.encoding, settings.delimiter)
    layout = _Layout(settings, form, things, path)
    rows = max(1, SAMPLES // layout.width)
    pieces = chunks(path, form, layout.wanted, settings.encoding, rows)
    sequence = 0
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        table, known, refused = await asyncio.to_thread(layout.rows, piece)
        samples = table.num_rows + sum(refused.values())
        yield Batch("files", layout.source, sequence, table, sequence + samples, refused, known)
        sequence += samples


class _Layout:
    """How the columns of one file become rows of points."""

    def __init__(self, settings: Settings, form: Form, things: Things, path: Path) -> None:
        self._settings, self._things, self._path = settings, things, path
        self._columns = dict(settings.columns) or {n: w for n, w in OWN.items() if n in form.names}
        words = set(self._columns.values())
        self.long = "signal" in words
        self._of = {word: column for column, word in self._columns.items()}
        self.width = 1 if self.long else len(self._columns)
        self.wanted = [name for name in dict.fromkeys([*self._columns, settings.time, settings.known]) if name]
        self._before_ns = -(2**63)
        self._last: dict[tuple[str, str], tuple[int, int]] = {}
        require(form, self.wanted, path)
        self._check_thing(form)
        self._units = {self._columns[c]: u for c, u in form.units.items() if c in self._columns} | dict(settings.units)
        self._check_units()
        said = {name: value for name, value in vars(settings).items() if name != "path"}
        how = json.dumps(said, sort_keys=True, default=dict)
        self.source = f"files/{hashlib.sha256((form.digest + how).encode()).hexdigest()[:16]}"

    def _check_thing(self, form: Form) -> None:
        where = f"{WHERE} {self._path}"
        if self.long:
            if not {"value", "code"} & set(self._of):
                raise InputError(where, "no column is the value", ", ".join(form.names), "map one to 'value'")
            if "thing" not in self._of and not self._settings.thing:
                todo = "set `thing`, or map a column to 'thing'"
                raise InputError(where, "it does not say whose values they are", "", todo)
            return
        if not self._columns:
            raise InputError(where, "`columns` is empty", ", ".join(form.names), "map columns to signals")
        if self._settings.thing not in self._things:
            raise UnknownName(f"{where}: thing", self._settings.thing, self._things)
        for signal in self._columns.values():
            self._kind.signal(signal)

    def _check_units(self) -> None:
        for name, given in self._units.items():
            inside, where = inside_unit(given, f"{WHERE}.units.{name}"), f"{self._path}: unit of {name}"
            kinds = [self._kind] if not self.long else [kind for _, kind in self._things.values()]
            wanted = {s.unit for kind in kinds for s in kind.signals if s.name == name}
            if wanted and inside not in wanted:
                raise UnitError(where, f"{given!r} measures something else", f"what converts to {' or '.join(wanted)}")

    @property
    def _kind(self) -> Kind:
        return self._things[self._settings.thing][1]

    def rows(self, piece: Chunk) -> tuple[pa.Table, pa.Array | None, dict[str, int]]:
        """POINTS_IN rows of some rows of the file, when each became known (or None), and what was refused."""
        t_ns, late = self._times(piece, self._settings.time)
        if piece.line <= 3 and late.all() and len(late):
            column = piece.table.column(self._settings.time)
            raise InputError(
                f"{self._path} line {piece.line}", f"{self._settings.time} {column[0].as_py()!r} is no time",
                "ISO 8601, or numbers since 1970", "set `time_format`, as '%d.%m.%Y %H:%M:%S'",
            )
        known = self._known(piece, t_ns)
        build = self._long if self.long else self._wide
        table, bad = build(piece.table, t_ns)
        late = np.repeat(late, self.width)
        keep = pa.array(~(bad | late))
        refused = {
            "no time that can be read": int(late.sum()), "not a value of this signal": int((bad & ~late).sum()),
            "row with too few or too many cells": piece.broken * self.width,
        }
        if known is not None:
            known = pa.array(np.repeat(known, self.width)).filter(keep)
        return table.filter(keep), known, {reason: n for reason, n in refused.items() if n}

    def _times(self, piece: Chunk, column: str) -> tuple[np.ndarray, np.ndarray]:
        settings = self._settings
        array = piece.table.column(column).combine_chunks()
        try:
            t_ns, bad = cells.times(
                array, settings.time_format, settings.time_zone, self._before_ns, ordered=not self.long
            )
        except InputError as error:
            raise InputError(f"{self._path} from line {piece.line}", str(error)) from None
        if column == settings.time and len(t_ns):
            self._before_ns = int(t_ns[-1])
        return t_ns, bad

    def _known(self, piece: Chunk, t_ns: np.ndarray) -> np.ndarray | None:
        if self._settings.known:
            known, bad = self._times(piece, self._settings.known)
            return np.where(bad, t_ns, known)
        if self._settings.delay_s is not None:
            return t_ns + round(self._settings.delay_s * NS_PER_S)
        return None

    def _wide(self, table: pa.Table, t_ns: np.ndarray) -> tuple[pa.Table, np.ndarray]:
        found, bad = {}, []
        for column, name in self._columns.items():
            values, wrong = self._numbers(table, column, self._kind.signal(name), name)
            found[name] = values
            bad.append(wrong)
        points = from_columns(self._settings.thing, t_ns, found, self._kind)
        n = pa.array(np.repeat(self._ranks(("", ""), t_ns), self.width))
        return points.set_column(POINTS_IN.get_field_index("n"), "n", n), np.column_stack(bad).ravel()

    def _long(self, table: pa.Table, t_ns: np.ndarray) -> tuple[pa.Table, np.ndarray]:
        things, signals = self._texts(table, "thing"), self._texts(table, "signal")
        rows = len(t_ns)
        bad = np.zeros(rows, bool)
        gauge, whole = np.ones(rows, bool), np.ones(rows, bool)  # True where there is no value, no code
        values, codes, n = np.zeros(rows), np.zeros(rows, np.int64), np.zeros(rows, np.int32)
        for thing, signal, at in _pairs(things, signals):
            declared = self._declared(thing, signal)
            is_whole = declared is not None and declared.kind != "gauge"
            column = self._of["code" if (is_whole and "code" in self._of) or "value" not in self._of else "value"]
            found, bad[at] = self._numbers(table.take(at), column, declared, signal)
            target, gap = (codes, whole) if is_whole else (values, gauge)
            target[at], gap[at] = found.fill_null(0).to_numpy(zero_copy_only=False), cells.mask_of(found.is_null())
            n[at] = self._ranks((thing, signal), t_ns[at])
        quality, wrong = self._small(table, "quality")
        if "n" in self._of:
            n, unnumbered = self._small(table, "n")
            wrong = wrong | unnumbered
        points = pa.table(
            [
                things, signals, t_ns, n.astype(np.int32), pa.array(values, mask=gauge), pa.array(codes, mask=whole),
                quality.astype(np.int8),
            ],
            schema=POINTS_IN,
        )
        return points, bad | wrong

    def _texts(self, table: pa.Table, word: str) -> pa.Array:
        if word not in self._of:
            return pa.array([self._settings.thing] * table.num_rows, pa.string())
        return table.column(self._of[word]).combine_chunks().cast(pa.string()).fill_null("")

    def _small(self, table: pa.Table, word: str) -> tuple[np.ndarray, np.ndarray]:
        """Quality or n: (n,) whole numbers, 0 where there is none, and True where a cell is something else."""
        if word not in self._of:
            return np.zeros(table.num_rows, np.int64), np.zeros(table.num_rows, bool)
        found, bad = cells.numbers(table.column(self._of[word]).combine_chunks(), _COUNT)
        values = found.fill_null(0).to_numpy(zero_copy_only=False)
        return np.clip(values, -1, 100 if word == "quality" else 2**31 - 1), bad

    def _numbers(self, table: pa.Table, column: str, signal: Signal | None, name: str) -> tuple[pa.Array, np.ndarray]:
        array = table.column(column).combine_chunks()
        return cells.numbers(array, signal, self._units.get(name, ""), self._settings.decimal)

    def _declared(self, thing: str, signal: str) -> Signal | None:
        kind = self._things[thing][1] if thing in self._things else None
        return next((s for s in kind.signals if s.name == signal), None) if kind is not None else None

    def _ranks(self, key: tuple[str, str], t_ns: np.ndarray) -> np.ndarray:
        """n of rows with equal times, going on from the rows before."""
        ranks = rank_of_equal(t_ns)
        last_ns, last_n = self._last.get(key, (-(2**63), 0))
        ranks[t_ns == last_ns] += last_n + 1
        if len(t_ns):
            self._last[key] = int(t_ns[-1]), int(ranks[-1])
        return ranks


def _pairs(things: pa.Array, signals: pa.Array) -> Iterator[tuple[str, str, np.ndarray]]:
    """(thing, signal, (k,) rows) of every pair that occurs."""
    one, two = pc.dictionary_encode(things), pc.dictionary_encode(signals)
    key = one.indices.to_numpy().astype(np.int64) * len(two.dictionary) + two.indices.to_numpy()
    order = np.argsort(key, kind="stable")
    for at in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        if len(at):
            thing, signal = divmod(int(key[at[0]]), len(two.dictionary))
            yield one.dictionary[thing].as_py(), two.dictionary[signal].as_py(), at


async def expose(
    settings: Settings, things: Things, batches: Said, clock: Clock, ready: asyncio.Event | None = None
) -> int:
    """Writes what devices say to the file, in the long form that `read` takes by itself; returns the samples written.

    The file appears whole or not at all. Raises InputError for a folder that is not there, another ending than .csv,
    .csv.gz or .parquet, settings of another form, and blocks.
    """
    path = Path(settings.path)
    if settings.columns or settings.time != "t_ns":
        raise InputError(f"{WHERE}.columns", "is set", "", "leave `columns` and `time` out: the long form is written")
    part = path.with_name(f".{path.name}.part")
    writer = await asyncio.to_thread(_writer, path, part)
    if ready is not None:
        ready.set()
    written, whole = 0, False
    try:
        async for frame in frames(batches, WHERE):
            if not frame.table.schema.equals(POINTS_IN):
                raise InputError(WHERE, "blocks cannot be written to this file", "points")
            if frame.deliver == "now":
                await asyncio.to_thread(writer.write_table, frame.table)
                written += frame.table.num_rows
        whole = True
    finally:
        await asyncio.to_thread(_close, writer, part, path if whole else None)
    return written


def _writer(path: Path, part: Path) -> Any:
    where = str(path)
    if not path.parent.is_dir():
        raise InputError(where, f"there is no folder {path.parent}", "", "make it first")
    if path.is_dir():
        raise InputError(where, "is a folder", "one file")
    if path.suffix == ".parquet":
        return pq.ParquetWriter(part, POINTS_IN)
    if path.name.endswith((".csv", ".csv.gz")):
        stream = pa.output_stream(str(part), compression="gzip" if path.suffix == ".gz" else None)
        return _CsvFile(stream)
    raise InputError(where, f"ends with {path.suffix!r}", ".csv, .csv.gz, .parquet")


class _CsvFile:
    """A CSV writer that closes its file too."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream
        self._writer = pyarrow.csv.CSVWriter(stream, POINTS_IN)
        self.write_table = self._writer.write_table

    def close(self) -> None:
        self._writer.close()
        self._stream.close()


def _close(writer: Any, part: Path, path: Path | None) -> None:
    writer.close()
    if path is None:
        part.unlink(missing_ok=True)
    else:
        part.replace(path)
