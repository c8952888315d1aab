"""Files of comma- or semicolon-separated rows, plain or gzip, read whole and checked before anything is made of
them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from loopwright.core.errors import InputError
from loopwright.core.types import POINTS_IN

_KINDS = "a CSV file, plain or compressed with gzip"
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")


@dataclass(frozen=True)
class Sheet:
    """A file of rows as text.

    hash       sha256 of the file's bytes as they stand on disk
    header     the first row, cells stripped
    rows       (line number in the file, cells); blank lines are left out
    separator  ',' or ';' or tab
    """

    path: Path
    hash: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    separator: str


@dataclass(frozen=True)
class Point:
    """One row of POINTS_IN before it stands in a table: a gauge has `value`, a state has `code`, a gap has neither."""

    thing: str
    signal: str
    t_ns: int
    n: int
    value: float | None
    code: int | None = None
    quality: int = 0


def points_table(points: Iterable[Point]) -> pa.Table:
    """The rows as a table of the schema POINTS_IN."""
    rows = list(points)
    columns = {name: [getattr(row, name) for row in rows] for name in POINTS_IN.names}
    return pa.table(columns, schema=POINTS_IN)


def read_sheet(path: Path) -> Sheet:
    """The header and rows of a file; InputError says what is wrong with a file that is none.

    The encoding is UTF-8 (with or without a byte-order mark), else Windows-1252, else Latin-1. The separator is the
    sign among , ; and tab that the header holds most often.
    """
    data = _read_bytes(path)
    text = _decode(_unpack(data, path), path)
    first = text.split("\n", 1)[0]
    separator = max((",", ";", "\t"), key=first.count)
    if first.count(separator) == 0:
        raise InputError(str(path), f"is not a CSV: its first line {first[:60]!r} has one column", _KINDS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[tuple[int, tuple[str, ...]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, tuple(cell.strip() for cell in cells)))
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num}", f"cannot be read: {error}", _KINDS) from error
    if len(rows) < 2:
        raise InputError(str(path), "holds a header and no row", "a header and at least one row", "export it again")
    return Sheet(path, hashlib.sha256(data).hexdigest(), rows[0][1], tuple(rows[1:]), separator)


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(str(path), "is a folder", _KINDS, "name the file in it")
    if not path.is_file():
        raise InputError(str(path), "is not there", _KINDS, "check the name")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}", _KINDS) from error
    if not data:
        raise InputError(str(path), "is empty", _KINDS, "export or copy it again")
    return data


def _unpack(data: bytes, path: Path) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        unpacked = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(str(path), f"is a cut-off or damaged gzip file ({error})", _KINDS, "copy it again") from error
    if not unpacked:
        raise InputError(str(path), "is an empty gzip file", _KINDS, "export or copy it again")
    return unpacked


def _decode(data: bytes, path: Path) -> str:
    if data[:4] == b"PK\x03\x04":
        raise InputError(str(path), "is a spreadsheet or zip file", _KINDS, "save the sheet as CSV, or unpack it")
    if b"\x00" in data:
        raise InputError(str(path), "is not a text file", _KINDS)
    for encoding in _ENCODINGS[:-1]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode(_ENCODINGS[-1])


def to_number(text: str, decimal_comma: bool = False) -> float | None:
    """A number as people and programs write it; None for an empty or unreadable cell.

    decimal_comma  whether ',' is the decimal sign when it stands alone ('97,08'); with both signs the last is decimal
    """
    cell = "".join(text.split()).replace("'", "")
    if "," in cell and "." in cell:
        thousands = "." if cell.rfind(",") > cell.rfind(".") else ","
        cell = cell.replace(thousands, "").replace(",", ".")
    elif "," in cell:
        grouped = not decimal_comma and _GROUPED.fullmatch(cell)
        cell = cell.replace(",", "" if grouped else ".")
    try:
        return float(cell)
    except ValueError:
        return None


def count_note(items: Sequence[str], first: int = 5) -> str:
    """The first few of a list of sentences, and how many more there are."""
    more = f" and {len(items) - first} more" if len(items) > first else ""
    return "; ".join(items[:first]) + more
