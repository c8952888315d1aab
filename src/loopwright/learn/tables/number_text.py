"""Reading text files of public sets, plain or gzipped, with words where one is broken."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError


def text_of(path: Path) -> str:
    """What a file says; a name that ends in .gz is unpacked. InputError where it cannot be read."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error})") from None
    except (EOFError, zlib.error) as error:
        raise InputError(str(path), f"is broken or cut off ({error})", "", "fetch it again") from None
    return data.decode("utf-8", errors="replace").removeprefix("\ufeff")


def found(folder: Path, *names: str) -> Path | None:
    """The first of the files `names` in the folder, each plain or with .gz, in any case of letters; or None."""
    inside = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
    there = {path.name.lower(): path for path in inside if path.is_file()}
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.name.lower() in there:
                return path if path.is_file() else there[path.name.lower()]
    return None


def table_of(path: Path) -> np.ndarray:
    """(rows, columns) of numbers with tabs, commas or blanks between; NaN for '?', 'NaN' and nothing between commas."""
    rows: list[list[float]] = []
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if not line.strip():
            continue
        cells = line.split(",") if "," in line else line.split()
        rows.append([_number(cell, path, number) for cell in cells])
        if len(rows[-1]) != len(rows[0]):
            given = f"{len(rows[-1])} numbers, the first line has {len(rows[0])}"
            todo = "a cut-off last line is the usual cause"
            raise InputError(f"{path}, line {number}", given, "as many in each line", todo)
    if not rows:
        raise InputError(str(path), "the file is empty", "a line of numbers for each case")
    return np.array(rows, dtype=np.float64)


def _number(cell: str, path: Path, line: int) -> float:
    word = cell.strip()
    if word in ("", "?", "NaN", "nan"):
        return float("nan")
    try:
        return float(word)
    except ValueError:
        raise InputError(f"{path}, line {line}", repr(word[:40]), "a number") from None
