"""Cases from a CSV of the user's own: one run, cycle or part a unit, told by a mapping (`learn.sets.csv`).

    unit=run time=t target=current,power label=state      a class a unit; `unit` is what is left out whole
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from loopwright.core.errors import InputError, UnknownName
from loopwright.learn.cases import Cases, ClassSet
from loopwright.learn.number_text import text_of


def read_table(path: Path, mapping: Mapping[str, tuple[str, ...]]) -> tuple[ClassSet, ...]:
    """One set, named as the file. Raises InputError where unit or label is not told, or a unit has two classes."""
    for role in ("unit", "label"):
        if role not in mapping:
            raise InputError("--map", f"nothing says which column is the {role}", f"{role}=<column>")
    try:
        table = pacsv.read_csv(io.BytesIO(text_of(path).encode()))
    except pa.ArrowInvalid as error:
        raise InputError(str(path), f"is not a table of comma-separated values ({error})") from None
    for names in mapping.values():
        for name in names:
            if name not in table.column_names:
                raise UnknownName("column", name, table.column_names)
    if not table.num_rows:
        raise InputError(str(path), "holds a header and no rows", "rows of at least two units")
    if "time" in mapping:
        table = table.sort_by(mapping["time"][0])
    unit, label = mapping["unit"][0], mapping["label"][0]
    targets = mapping.get("target") or _numbers(table, {name for names in mapping.values() for name in names})
    values = np.stack([_floats(table, name, path) for name in targets])
    units = pc.cast(table.column(unit), pa.string()).to_pylist()
    words = pc.cast(table.column(label), pa.string()).to_pylist()
    rows: dict[str, list[int]] = {}
    for i, name in enumerate(units):
        rows.setdefault(str(name), []).append(i)
    labels = []
    for name, mine in rows.items():
        found = {(words[i] or "").strip() for i in mine}
        if len(found) > 1:
            raise InputError(f"{path}, {unit} {name}", f"classes {', '.join(sorted(found)[:5])}", "one class a unit")
        labels.append(found.pop())
    cases = Cases(tuple(rows), tuple(values[:, mine] for mine in rows.values()), tuple(targets))
    return (ClassSet(path.name.split(".")[0], cases, tuple(labels), tuple(rows), "unit"),)


def _numbers(table: pa.Table, taken: set[str]) -> tuple[str, ...]:
    """Columns of numbers that have no other role."""
    found = tuple(
        field.name for field in table.schema
        if field.name not in taken and (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
    )
    if not found:
        raise InputError("--map", "no column of numbers is left to look at", "target=<column>,<column>")
    return found


def _floats(table: pa.Table, name: str, path: Path) -> np.ndarray:
    try:
        return np.asarray(table.column(name).cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}, column {name}", f"holds what is no number ({error})", "numbers") from None
