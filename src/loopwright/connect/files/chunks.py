"""A CSV or Parquet file as columns, piece by piece, after one look at the whole: nothing is read from a broken file."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.units import UNITS

BLOCK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Form:
    """What was found about a file before it is read.

    digest     sha256 of its content, uncompressed
    names      its columns
    units      column -> unit, where a row of units stands under the header ('' for none)
    skip       lines above the data
    delimiter  of a CSV
    """

    digest: str
    names: tuple[str, ...]
    units: dict[str, str]
    skip: int = 0
    delimiter: str = ","
    parquet: bool = False


@dataclass(frozen=True)
class Chunk:
    """Some rows: the wanted columns, and how many rows in between had the wrong number of cells."""

    table: pa.Table
    broken: int
    line: int  # of the first row, from 1


def inspect(path: Path, encoding: str, delimiter: str) -> Form:
    """Looks at the whole file once; InputError: no file, a folder, empty, cut off, in another encoding, no header."""
    where = str(path)
    if path.is_dir():
        raise InputError(where, "is a folder", "one file", "name the file in it")
    if not path.is_file():
        raise InputError(where, "there is no such file", "a .csv, .csv.gz or .parquet file")
    if path.stat().st_size == 0:
        raise InputError(where, "is empty", "a header and rows")
    if path.suffix.lower() in (".parquet", ".pq"):
        return _inspect_parquet(path)
    digest = _check_text(path, encoding)
    return _header(path, encoding, delimiter, digest)


def _inspect_parquet(path: Path) -> Form:
    try:
        file = pq.ParquetFile(path)
        names = tuple(file.schema_arrow.names)
        parts = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        if sum(parts) != file.metadata.num_rows or any(rows < 0 for rows in parts):
            raise ValueError("its parts do not make up its rows")  # a reader would make room for what they say
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(str(path), f"is no whole Parquet file ({_short(error)})", "", "copy it again") from None
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(str(path), f"columns {', '.join(twice[:10])} stand twice", "each name once")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Form(digest, names, {}, parquet=True)


def open_bytes(path: Path) -> BinaryIO:
    """The file's content; a gz file is opened by its first two bytes, whatever its name."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _check_text(path: Path, encoding: str) -> str:
    """sha256 of the content, after every byte was read and decoded once."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError:
        raise InputError(str(path), f"encoding {encoding!r} is not known", "utf-8, latin-1, cp1252, utf-16") from None
    digest, line = hashlib.sha256(), 1
    with open_bytes(path) as file:
        while True:
            try:
                block = file.read(BLOCK)
            except (EOFError, zlib.error, OSError) as error:
                where = f"{path} line {line}"
                raise InputError(where, f"the file is cut off or damaged ({error})", "", "copy it again") from None
            digest.update(block)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object.count(b"\n", 0, error.start)
                bad = error.object[error.start:error.start + 1].hex()
                todo = "set `encoding`, perhaps 'latin-1' or 'cp1252'"
                raise InputError(f"{path} line {line}", f"byte 0x{bad} is not {encoding}", encoding, todo) from None
            if not block:
                return digest.hexdigest()
            line += block.count(b"\n")


def _header(path: Path, encoding: str, delimiter: str, digest: str) -> Form:
    with open_bytes(path) as file:
        marked = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding  # a byte-order mark is no letter
        text = io.TextIOWrapper(file, encoding=marked, newline="")
        first = text.readline()
        if not first.strip():
            raise InputError(f"{path} line 1", "there is no header", "the names of the columns")
        delimiter = delimiter or max(",;\t|", key=first.count)
        names = _cells(first, delimiter)
        second, third = text.readline(), text.readline()
    under = _cells(second, delimiter)
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError(f"{path} line 1", f"columns {', '.join(twice)} stand twice", "each name once")
    units = _units(names, under)
    if not (third if units else second):
        raise InputError(str(path), "holds a header and no rows", "at least one row")
    return Form(digest, tuple(names), units, 2 if units else 1, delimiter)


def _units(names: list[str], under: list[str]) -> dict[str, str]:
    """column -> unit where the line under the header is one of units: each cell is empty, in brackets, or a unit.

    A bare '1' is a number, not the unit of ratios.
    """
    bare = [cell.strip("[]() ") for cell in under]
    names_only = UNITS.keys() - {"1"}
    fits = all(not cell or cell != unit or unit in names_only for cell, unit in zip(under, bare, strict=True))
    if not fits or not any(unit in UNITS for unit in bare):
        return {}
    return {name: unit for name, unit in zip(names, bare, strict=False) if unit}


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error as error:
        raise InputError("header of a CSV", f"it cannot be read ({_short(error)})", "names of columns") from None


def require(form: Form, wanted: list[str], path: Path) -> None:
    """UnknownName unless the file has all of these columns; it lists those there are and the nearest."""
    for name in wanted:
        if name not in form.names:
            raise UnknownName(f"column of {path}", name, form.names)


def chunks(path: Path, form: Form, wanted: list[str], encoding: str, rows: int) -> Iterator[Chunk]:
    """The wanted columns, `rows` rows at a time, as text (CSV) or as they are (Parquet)."""
    if form.parquet:
        yield from _parquet_chunks(path, wanted, rows)
    else:
        yield from _csv_chunks(path, form, wanted, encoding, rows)


def _parquet_chunks(path: Path, wanted: list[str], rows: int) -> Iterator[Chunk]:
    line = 1
    batches = iter(pq.ParquetFile(path).iter_batches(batch_size=rows, columns=wanted))
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            said = f"is damaged from row {line:,} on ({_short(error)})"
            raise InputError(str(path), said, "", "copy it again; what was read is kept, and known again") from None
        yield Chunk(pa.Table.from_batches([batch]), 0, line)
        line += batch.num_rows


def _short(error: Exception) -> str:
    """What a library says, in a line that is not without end."""
    return " ".join(str(error).split())[:200]


def _whole(reader: Any, path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of a CSV, until one cannot be read."""
    while True:
        try:
            yield reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError, ValueError) as error:
            todo = "mend it; what was read is kept, and known again"
            raise InputError(str(path), f"cannot be read to its end ({_short(error)})", "", todo) from None


def _csv_chunks(path: Path, form: Form, wanted: list[str], encoding: str, rows: int) -> Iterator[Chunk]:
    broken: list[int] = []  # numbers of rows with too few or too many cells; pyarrow counts from 1 behind skip

    def note(row: Any) -> str:
        broken.append(row.number)
        return "skip"

    options = pyarrow.csv.ReadOptions(
        use_threads=False, block_size=BLOCK, skip_rows=form.skip, column_names=form.names, encoding=encoding
    )
    convert = pyarrow.csv.ConvertOptions(
        include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
    )
    parse = pyarrow.csv.ParseOptions(delimiter=form.delimiter, invalid_row_handler=note)
    with open_bytes(path) as file:
        try:
            reader = pyarrow.csv.open_csv(file, options, parse, convert)
        except pa.ArrowInvalid as error:
            raise InputError(str(path), f"cannot be read as CSV ({_short(error)})") from None
        place = 1
        for batch in _whole(reader, path):
            for start in range(0, batch.num_rows, rows):
                table = pa.Table.from_batches([batch.slice(start, rows)])
                first, between = place, 0
                while broken and broken[0] < first + table.num_rows + between:
                    broken.pop(0)
                    between += 1
                place += table.num_rows + between
                yield Chunk(table, between, form.skip + first)
        if broken:
            yield Chunk(reader.schema.empty_table(), len(broken), form.skip + place)
