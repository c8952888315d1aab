"""A table of the user's own as columns: CSV, plain or gzipped, read in blocks, with words for everything that is wrong.

    table = read(path, {"unit": ("engine",), "time": ("cycle",), "target": ("load", "flow")})

Separators are comma, semicolon, tab or |, whichever the header has most of; with any but the comma a number may have a
decimal comma. Empty cells and NA, NaN, null, None, ?, - are missing. Infinities, and numbers beyond 1e100 of which
squares overflow, count as missing and are told.
Rows are put in the order of unit and time; of rows of one unit with the same time the last counts, and that is told.
Of a file of more than BIG bytes the numbers stand in a memory map and not in memory; it must be in order already.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from loopwright.core.errors import InputError, UnknownName
from loopwright.learn.tables import table_text
from loopwright.learn.traps import LeakError

BIG = 512_000_000  # bytes on the disk, as they stand there
BLOCK = 8_000_000  # bytes of text at a time
MOST_COLUMNS = 20_000
LARGEST = 1e100  # beyond it squares and sums of squares overflow
MISSING = ("", "na", "nan", "null", "none", "?", "-", "n/a")
WORDS = ("unit", "label", "group", "failed_at")  # cells are words; of the others numbers, of time dates too


@dataclass(frozen=True)
class Table:
    """Rows in the order of unit and time.

    name        of the file, without its endings
    units       (U,) names in the order they come; one '' where no column names the unit
    first       (U + 1,) row at which each begins, the last one the number of rows
    t_s         (N,) seconds since 1970, or whatever number the time column has; the number of the row without one
    dated       whether the times are dates
    timed       whether there is a time column
    values      (N, C) NaN where missing
    channels    (C,) names
    words       role ('label', 'group') -> (N,) texts, '' where missing
    numbers     role ('condition', 'remaining') -> (N, k)
    notes       what was found and put right, in sentences
    """

    name: str
    units: tuple[str, ...]
    first: np.ndarray
    t_s: np.ndarray
    dated: bool
    timed: bool
    values: np.ndarray
    channels: tuple[str, ...]
    words: Mapping[str, np.ndarray] = field(default_factory=dict)
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def rows(self, unit: int) -> slice:
        """Where the rows of that unit stand."""
        return slice(int(self.first[unit]), int(self.first[unit + 1]))


@dataclass
class _Raw:
    """Columns as they stand in the file, block after block; words as numbers of the word in `seen`."""

    seen: dict[str, dict[str, int]]
    words: dict[str, list[np.ndarray]]
    numbers: dict[str, list[np.ndarray]]
    values: list[np.ndarray]
    infinite: int = 0
    dated: bool = False


def read(path: Path, columns: Mapping[str, tuple[str, ...]]) -> Table:
    """The file's table. columns: role -> names of columns; see `learn.sets.csv` for the roles.

    Raises InputError for a file that is no table, names the row and column of a cell that is no number, and UnknownName
    for a column that is not there.
    """
    head, mark = _header(path)
    for names in columns.values():
        for name in names:
            if name not in head:
                raise UnknownName(f"column of {path.name}", name, head)
            if head.count(name) > 1:
                raise InputError(f"{path.name}", f"{head.count(name)} columns are called {name!r}", "one of that name")
    targets = columns.get("target") or _others(path, head, mark, columns)
    big = path.stat().st_size > BIG
    raw = _Raw({}, {}, {}, [])
    with tempfile.TemporaryFile() if big else nullcontext() as spool:
        row = 1
        for block in _blocks(path, head, mark, [*{n: None for names in columns.values() for n in names}, *targets]):
            _take(raw, block, columns, targets, (path, row + 1, mark))
            row += block.num_rows
            if spool is not None:
                spool.write(raw.values.pop().tobytes())
        if row == 1:
            raise InputError(str(path), "it has a header and no rows", "at least one row")
        if spool is None:
            values = np.concatenate(raw.values)
        else:
            spool.flush()
            values = np.memmap(spool, np.float64, "r+", shape=(row - 1, len(targets)))
    if not any(np.isfinite(values[a : a + 100_000]).any() for a in range(0, len(values), 100_000)):
        raise InputError(f"{path.name}, columns {', '.join(targets[:5])}", "no cell holds a number", "some that do")
    return _ordered(path, columns, targets, raw, values, big)


def check_answer(table: Table, answer: np.ndarray, monotone: bool = False) -> None:
    """Raises LeakError for a column that is the answer on another scale: a straight line of it in every row.

    answer    (N,) what is to be told of each row: life left, 1 where a point is an anomaly; NaN where nobody knows
    monotone  whether a column counts too that only ever goes one way with the answer: its logarithm, its square
    Nothing measured lies on such a line to six digits over units of different lengths.
    """
    rows = np.flatnonzero(np.isfinite(answer))
    told = answer[rows]
    if len(np.unique(told)) < 2:
        return
    told = (told - told.mean()) / told.std()
    for c, name in enumerate(table.channels):
        x = np.asarray(table.values[rows, c], dtype=np.float64)
        if not np.isfinite(x).all() or np.ptp(x) == 0:
            continue
        raw = x
        x = (x - x.mean()) / max(float(x.std()), 1e-300)
        if abs(float((x * told).mean())) > 1.0 - 1e-6 and len(rows) > 4:
            raise LeakError(f"column {name!r}", "it is the answer on another scale", "",
                            "name the columns to learn from: --map target=A,B")
        if monotone and len(rows) > 4 and _one_way(raw, told):
            raise LeakError(f"column {name!r}", "it goes one way with the answer in every row: it tells it", "",
                            "name the columns to learn from: --map target=A,B")


def _one_way(x: np.ndarray, told: np.ndarray) -> bool:
    """Whether x is one number for each answer, and grows, or falls, from answer to answer."""
    order = np.argsort(told, kind="stable")
    same = np.diff(told[order]) == 0
    steps = np.diff(x[order])
    return bool((steps[same] == 0).all() and same.any() and ((steps[~same] > 0).all() or (steps[~same] < 0).all()))


def check_counter(table: Table, where: str) -> None:
    """Raises LeakError for a column that counts on in every row over all units: it names the unit.

    One step in every row within each unit, of which there are two or more, with another beginning in each: a row number
    of the file, or a clock.
    """
    if len(table.units) < 2 or len(table.values) < 2 * len(table.units):
        return
    inner = np.ones(len(table.values) - 1, bool)
    inner[table.first[1:-1] - 1] = False
    for c, name in enumerate(table.channels):
        x = np.asarray(table.values[:, c], dtype=np.float64)
        steps, begins = np.diff(x)[inner], x[table.first[:-1]]
        if not np.isfinite(x).all() or not len(steps) or steps[0] == 0 or len(np.unique(begins)) < len(begins):
            continue
        if np.allclose(steps, steps[0], rtol=1e-9, atol=0) and len(np.unique(x)) == len(x):
            raise LeakError(f"column {name!r}", "it counts on from unit to unit: it names the unit", "",
                            f"map it as time, or name the columns to learn from ({where}: target)")


def columns_of(path: Path) -> list[str]:
    """Names of the file's columns. Raises InputError for a file that is no table."""
    return _header(path)[0]


def date_s(text: str) -> float:
    """Seconds since 1970 of a text with a date and perhaps a time; NaN where it is none."""
    try:
        return float(_dates(pa.chunked_array([pa.array([text])]), Path("date"))[0])
    except InputError:
        return float("nan")


def _header(path: Path) -> tuple[list[str], str]:
    """(names of the columns, separator)."""
    if not path.is_file():
        raise InputError(str(path), "it is no file", "one CSV")
    with table_text.opened(path) as text:
        line = text.readline().strip("\r\n")
    mark = max(",;\t|", key=line.count)
    head = [name.strip() for name in next(csv.reader([line], delimiter=mark), [])]
    if not line.strip():
        raise InputError(str(path), "it is empty", "a header and a row for each reading")
    if len(head) > MOST_COLUMNS:
        raise InputError(str(path), f"{len(head):,} columns", f"at most {MOST_COLUMNS:,}")
    return head, mark


def _blocks(path: Path, head: list[str], mark: str, wanted: list[str]) -> Iterator[pa.Table]:
    """The columns that are wanted as texts, so many rows at a time."""
    wrong: list[str] = []

    def note(row: pacsv.InvalidRow) -> str:
        wrong.append(f"row {row.number or '?'} has {row.actual_columns} cells: {row.text[:80]!r}")
        return "error"

    places = [str(i) for i in range(len(head))]  # the file's own names may be empty or stand twice
    texts = {places[head.index(name)]: pa.string() for name in wanted}
    try:
        with pa.input_stream(str(path), compression="gzip" if path.suffix == ".gz" else None) as stream:
            reader = pacsv.open_csv(
                stream,
                read_options=pacsv.ReadOptions(column_names=places, skip_rows=1, block_size=BLOCK, use_threads=False),
                parse_options=pacsv.ParseOptions(delimiter=mark, invalid_row_handler=note),
                convert_options=pacsv.ConvertOptions(
                    column_types=texts, include_columns=list(texts), strings_can_be_null=False),
            )
            for batch in reader:
                yield pa.Table.from_batches([batch]).rename_columns([head[int(place)] for place in texts])
    except (pa.ArrowInvalid, OSError) as error:
        if "Empty CSV" in str(error):
            return
        given = f"{wrong[0]}" if wrong else f"it cannot be read ({error})"
        raise InputError(str(path), given, f"{len(head)} cells a row, UTF-8, separated by {mark!r}") from error


def _others(path: Path, head: list[str], mark: str, columns: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Columns without another role of which the first rows are numbers."""
    used = {name for names in columns.values() for name in names}
    names = [name for name in head if name and name not in used and head.count(name) == 1]
    block = next(_blocks(path, head, mark, names), None) if names else None
    if block is None and names:
        return ()
    found = [n for n in names if block and isinstance(_numbers(block.column(n).slice(0, 200), mark), np.ndarray)]
    if not found:
        raise InputError(str(path), "no column but those mapped holds numbers", "target=COLUMN", "map one with --map")
    return tuple(found)


def _take(
    raw: _Raw, block: pa.Table, columns: Mapping[str, tuple[str, ...]], targets: tuple[str, ...],
    where: tuple[Path, int, str],
) -> None:
    """Puts the columns of one block behind those of the blocks before."""
    for role, names in columns.items():
        if role in WORDS:
            texts = pc.utf8_trim_whitespace(block.column(names[0]))
            if role == "unit" and (empty := pc.index(texts, "").as_py()) >= 0:
                given = f"no {names[0]} is named"
                raise InputError(f"{where[0].name}, row {where[1] + empty}", given, "a name, or a number")
            raw.words.setdefault(role, []).append(_coded(texts, raw.seen.setdefault(role, {})))
        elif role == "time":
            times, raw.dated = _times(block.column(names[0]), where, raw.dated, "time" not in raw.numbers)
            raw.numbers.setdefault("time", []).append(times)
        elif role != "target":
            raw.numbers.setdefault(role, []).append(_matrix(raw, block, names, where))
    raw.values.append(_matrix(raw, block, targets, where))


def _matrix(raw: _Raw, block: pa.Table, names: tuple[str, ...], where: tuple[Path, int, str]) -> np.ndarray:
    """(rows, len(names)) float64, NaN where missing. Raises InputError that names the first cell that is no number."""
    path, row, mark = where
    out = np.empty((block.num_rows, len(names)))
    for i, name in enumerate(names):
        found = _numbers(block.column(name), mark)
        if not isinstance(found, np.ndarray):
            at, text = found
            given = f"{text[:40]!r} in column {name!r}"
            raise InputError(f"{path.name}, row {row + at}", given, "a number, or an empty cell",
                             "map the column to another role, or leave it out of target=")
        out[:, i] = found
    bad = np.abs(out) > LARGEST
    raw.infinite += int(bad.sum())
    out[bad] = np.nan
    return out


def _numbers(column: pa.ChunkedArray, mark: str) -> np.ndarray | tuple[int, str]:
    """(n,) float64 with NaN for missing, or (row, text) of the first cell that is no number."""
    texts = pc.utf8_trim_whitespace(column)
    known = pc.if_else(pc.is_in(pc.utf8_lower(texts), pa.array(MISSING)), pa.scalar(None, pa.string()), texts)
    for attempt in (known, pc.replace_substring(known, ",", ".") if mark != "," else None):
        if attempt is None:
            continue
        try:
            return np.asarray(pc.cast(attempt, pa.float64()).to_numpy(), dtype=np.float64)
        except pa.ArrowInvalid:
            continue
    return next(((i, text) for i, text in enumerate(known.to_pylist()) if text is not None and _no_number(text, mark)),
                (0, str(known[0])))


def _no_number(text: str, mark: str) -> bool:
    try:
        float(text.replace(",", ".") if mark != "," else text)
    except ValueError:
        return True
    return "_" in text


def _times(
    column: pa.ChunkedArray, where: tuple[Path, int, str], dated: bool, begin: bool
) -> tuple[np.ndarray, bool]:
    """((n,) seconds or plain numbers, whether they are dates). Raises InputError for a time that is neither."""
    path, row, mark = where
    numbers = _numbers(column, mark) if begin or not dated else (0, "")
    if isinstance(numbers, np.ndarray):
        lost = ~np.isfinite(numbers)
        times = numbers
    else:
        if not begin and not dated:
            raise InputError(f"{path.name}, row {row + numbers[0]}", f"time {numbers[1][:40]!r}", "a number, as before")
        times = _dates(column, path)
        lost = ~np.isfinite(times)
        dated = True
    if lost.any():
        at = int(np.flatnonzero(lost)[0])
        allowed = "a number, or a date as 2026-01-31 23:59:59"
        raise InputError(f"{path.name}, row {row + at}", f"time {column[at].as_py()[:40]!r}", allowed)
    return times, dated


def _dates(column: pa.ChunkedArray, path: Path) -> np.ndarray:
    """(n,) seconds since 1970; NaN for what is no date. A time that names no zone is taken as it stands."""
    texts = pc.utf8_trim_whitespace(column)
    try:
        stamps = pc.cast(texts, pa.timestamp("ns"))
        return np.asarray(stamps.to_numpy(), "datetime64[ns]").astype(np.int64) / 1e9
    except pa.ArrowInvalid:
        pass
    try:
        stamps = pc.cast(texts, pa.timestamp("ns", "UTC"))
        return np.asarray(stamps.to_numpy(), "datetime64[ns]").astype(np.int64) / 1e9
    except pa.ArrowInvalid:
        return table_text.times_s(texts.to_pylist(), str(path))


def _ordered(
    path: Path, columns: Mapping[str, tuple[str, ...]], targets: tuple[str, ...], raw: _Raw, values: np.ndarray,
    big: bool,
) -> Table:
    """The table in the order of unit and time, with a note for each thing that was put right."""
    n = len(values)
    codes = {role: np.concatenate(parts) for role, parts in raw.words.items()}
    code = codes.pop("unit", np.zeros(n, np.int32))
    units = tuple(raw.seen.get("unit", {"": 0}))
    words = {role: np.array(list(raw.seen[role]), dtype=object)[part] for role, part in codes.items()}
    numbers = {role: np.concatenate(parts) for role, parts in raw.numbers.items()}
    timed = "time" in columns
    t_s = numbers.pop("time", np.arange(n, dtype=np.float64))
    order, notes = _order(code, t_s, timed)
    if raw.infinite:
        notes.append(f"{raw.infinite:,} numbers are infinite or beyond {LARGEST:g}: they count as missing")
    if len(order) < n or (order != np.arange(n)).any():
        if big:
            raise InputError(str(path), "rows are not in the order of unit and time, each time once",
                             "that order for a file of this size", "sort it first")
        values, t_s, code = values[order], t_s[order], code[order]
        words = {role: column[order] for role, column in words.items()}
        numbers = {role: column[order] for role, column in numbers.items()}
    first = np.searchsorted(code, np.arange(len(units) + 1))
    return Table(table_text.stem(path), units, first, t_s, raw.dated, timed, values, targets, words, numbers,
                 tuple(notes))


def _order(code: np.ndarray, t_s: np.ndarray, timed: bool) -> tuple[np.ndarray, list[str]]:
    """(rows in the order of unit and time, each time of a unit once; what was put right, in sentences)."""
    if not timed:
        return np.argsort(code, kind="stable"), []
    notes = []
    order = np.lexsort((t_s, code))  # stable: of equal times the later row comes last
    back = int(((np.diff(code) == 0) & (np.diff(t_s) < 0)).sum())
    if back:
        notes.append(f"times go back {back:,} times: rows are put in the order of time")
    again = np.zeros(len(code), bool)
    again[:-1] = (np.diff(code[order]) == 0) & (np.diff(t_s[order]) == 0)
    if again.any():
        notes.append(f"{int(again.sum()):,} rows have the time of a later row of their unit: the later row counts")
    return order[~again], notes


def _coded(texts: pa.ChunkedArray, seen: dict[str, int]) -> np.ndarray:
    """(n,) number of each word, in the order in which words first come; new ones are put into `seen`."""
    found = pa.chunked_array(texts).combine_chunks().dictionary_encode()
    numbers = np.array([seen.setdefault(word, len(seen)) for word in found.dictionary.to_pylist()], np.int32)
    return numbers[found.indices.to_numpy()]
