"""Parts that readers of layouts share: which tables stand at a path, their rows, times and numbers.

    tables(path)              CSV files at a path (itself, or those in the folder), plain or gzipped
    header(file), rows(file)  the first line; the first line and all others that have as many cells
    times_s(texts, where)     seconds since 1970, of times written ISO or day/month/year
    numbers(texts)            float64, NaN for what is no number
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from loopwright.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".csv", ".csv.gz")
UNREADABLE = (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error)


def tables(path: Path) -> list[Path]:
    """CSV files at the path in order of their names; empty where there are none."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if file.name.lower().endswith(ENDINGS) and file.is_file()]


def stem(file: Path) -> str:
    """Name of a table without its endings: 'ETTh1' of ETTh1.csv.gz."""
    return file.name.split(".")[0]


@contextmanager
def opened(file: Path) -> Iterator[TextIO]:
    """The table's text. Raises InputError for a file that is no text or is cut off."""
    try:
        if file.name.endswith(".gz"):
            with gzip.open(file, "rt", encoding="utf-8-sig", newline="") as text:
                yield text
        else:
            with file.open("r", encoding="utf-8-sig", newline="") as text:
                yield text
    except UNREADABLE as error:
        raise InputError(str(file), f"it cannot be read ({error})", "a CSV in UTF-8, plain or gzipped") from error


def header(file: Path) -> list[str]:
    """Cells of the first line; empty for a file that cannot be read as text."""
    try:
        with opened(file) as text:
            return [cell.strip() for cell in next(csv.reader(text), [])]
    except InputError:
        return []


def rows(file: Path) -> tuple[list[str], list[list[str]]]:
    """(cells of the first line, every other line with as many cells or more)."""
    with opened(file) as text:
        lines = list(csv.reader(text))
    head = [cell.strip() for cell in lines[0]] if lines else []
    return head, [line for line in lines[1:] if len(line) >= len(head)]


@lru_cache(maxsize=65536)
def _day_s(text: str) -> float:
    """Seconds of the start of a day: 2016-07-01 or 20160701 ISO, else 1/7/2016, 1/7/16, 1-7-16 with the day first."""
    parts = text.replace("-", "/").replace(".", "/").split("/")
    try:
        if len(parts) == 1 and len(text) == 8:
            parts = [text[:4], text[4:6], text[6:]]
        year, month, day = (int(p) for p in (parts if len(parts[0]) == 4 else parts[::-1]))
        stamp = np.datetime64(f"{year + 2000 if year < 100 else year:04d}-{month:02d}-{day:02d}", "s")
    except ValueError:
        return float("nan")
    return float(stamp.astype(np.int64))


def times_s(texts: Sequence[str], where: str) -> np.ndarray:
    """(n,) seconds since 1970; NaN for a time that cannot be read.

    Raises InputError where more than half cannot.
    """
    t_s = np.fromiter((_time_s(text) for text in texts), np.float64, len(texts))
    if len(texts) == 0 or np.isfinite(t_s).mean() < 0.5:
        given = f"times such as {texts[0]!r} cannot be read" if len(texts) else "it has no rows"
        raise InputError(where, given, "YYYY-MM-DD HH:MM[:SS] or D/M/YY HH:MM")
    return t_s


def _time_s(text: str) -> float:
    day, _, clock = text.strip().replace("T", " ").partition(" ")
    parts = clock.rstrip("Z").split(":") if clock else []
    try:
        return _day_s(day) + sum(float(part) * unit for part, unit in zip(parts, (3600.0, 60.0, 1.0), strict=False))
    except ValueError:
        return float("nan")


def numbers(texts: Sequence[str]) -> np.ndarray:
    """(n,) float64; NaN for what is empty, no number, or infinite."""
    try:
        found = np.asarray(texts, dtype=np.float64)
    except ValueError:
        found = np.fromiter((_number(text) for text in texts), np.float64, len(texts))
    return np.where(np.isfinite(found), found, np.nan)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def parquets(path: Path, columns: Sequence[str]) -> list[Path]:
    """Parquet files at the path that have all these columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = []
    for file in files:
        if not (file.name.endswith(".parquet") and file.is_file()):
            continue
        try:
            names = pq.read_schema(file).names
        except (OSError, pa.ArrowInvalid):
            continue
        if set(columns) <= set(names):
            found.append(file)
    return found


def parquet_columns(file: Path, columns: Sequence[str]) -> dict[str, Any]:
    """name -> Arrow column. Raises InputError for a file that is cut off."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file, columns=list(columns))
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(str(file), f"it cannot be read ({error})", "a whole Parquet file") from error
    return {name: table.column(name) for name in columns}


def arrow_times_s(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) seconds since 1970 of a column of timestamps; NaN where there is none."""
    import pyarrow as pa

    if not pa.types.is_timestamp(column.type):
        raise InputError("Parquet file", f"a time column is {column.type}", "timestamp")
    micros = column.cast(pa.timestamp("us"), safe=False).to_numpy()
    return np.where(np.isnat(micros), np.nan, micros.astype(np.int64) / 1e6)


def arrow_numbers(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) float64; NaN for what is missing or infinite."""
    import pyarrow as pa

    found = column.cast(pa.float64()).to_numpy()
    return np.where(np.isfinite(found), found, np.nan)
