"""What a chart of one signal shows: its buckets at the zoom that was asked for, and which of its values are special."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.app.views import shown
from loopwright.core import units
from loopwright.core.errors import InputError
from loopwright.core.types import Signal
from loopwright.store import Store, align
from loopwright.store.chart import chart
from loopwright.store.query import ask
from loopwright.store.sql import quoted

MOST_MARKS = 500  # corrected or late values of one answer
FEW = 20_000  # so many samples are looked through for late ones
PIXELS = 4_000
_FAR_NS = 2**63 - 1
_NUMBERS = ("min", "max", "mean", "last")


@dataclass(frozen=True)
class Asked:
    """One signal of a thing over start_ns <= t < end_ns (None: all there is), as it was known by known_by_ns."""

    thing: str
    signal: str
    start_ns: int | None = None
    end_ns: int | None = None
    pixels: int = 1000
    known_by_ns: int | None = None
    system: str = "inside"


def line(store: Store, asked: Asked) -> dict[str, Any]:
    """{thing, signal, meaning, kind, unit, codes, low, high, start_ns, end_ns, step_ns, level, t_ns, count, bad, gaps,
    min, max, mean, last, quality, corrected, late, newest, before}: columns of buckets, in the unit of the system.

    corrected  {t_ns: [...], more}: values of which another version stood before
    before     {value, t_ns} of the state that stood when the range begins, None for other kinds
    late       {t_ns: [...], more}: values that came after later ones; None where there are too many samples to look
    Raises UnknownName for a thing or signal there is not, InputError for an empty range.
    """
    for t_ns in (asked.start_ns, asked.end_ns, asked.known_by_ns):
        if t_ns is not None and abs(t_ns) > _FAR_NS:
            raise InputError("chart", f"{t_ns} ns", "times between 1677 and 2262")
    kind = store.kinds()[store.things()[asked.thing].kind] if asked.thing in store.things() else None
    known = kind.signal(asked.signal) if kind else None
    table = chart(
        store, asked.thing, asked.signal, asked.start_ns, asked.end_ns, asked.pixels, known_by_ns=asked.known_by_ns)
    assert known is not None  # chart raises for what there is not
    told = {name.decode(): value.decode() for name, value in (table.schema.metadata or {}).items()}
    limits = {name: int(told[name]) for name in ("start_ns", "end_ns", "step_ns", "level")}
    unit = shown.unit_for(known.unit, asked.system, known.name)
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    for name in _NUMBERS:
        columns[name] = [_in_unit(value, known, unit) for value in columns[name]]
    samples = sum(columns["count"]) + sum(columns["bad"]) + sum(columns["gaps"])
    return {
        "thing": asked.thing, "signal": known.name, "meaning": known.meaning, "kind": known.kind,
        "unit": shown.word(unit), "codes": {str(code): word for code, word in known.codes.items()},
        "low": _in_unit(known.low, known, unit), "high": _in_unit(known.high, known, unit), **limits, **columns,
        **_special(store, asked, limits, known, samples), "newest": _newest(store, asked, known, unit),
        "before": _before(store, asked, known, limits["start_ns"]),
    }


def _special(
    store: Store, asked: Asked, limits: Mapping[str, int], signal: Signal, samples: int
) -> dict[str, Any]:
    """Which values were corrected, and which came late."""
    where = (f"thing = {quoted(asked.thing)} AND signal = {quoted(asked.signal)} "
             f"AND t_ns >= {limits['start_ns']} AND t_ns < {limits['end_ns']}")
    if asked.known_by_ns is not None:
        where += f" AND known_ns <= {asked.known_by_ns}"
    table = "blocks" if signal.fast else "points"
    with ask(store, f"SELECT DISTINCT t_ns FROM {table} WHERE {where} AND correction > '' ORDER BY t_ns "
                    f"LIMIT {MOST_MARKS + 1}") as found:
        corrected = found.table().column("t_ns").to_pylist()
    late = None
    if samples <= FEW:
        with ask(store, f"SELECT t_ns, known_ns FROM {table} WHERE {where} AND correction = '' ORDER BY t_ns") as found:
            late = came_late(found.table())
    return {"corrected": _marks(corrected), "late": None if late is None else _marks(late)}


def came_late(rows: pa.Table) -> list[int]:
    """t_ns of rows (in order of it) that were known only after a row of a later time."""
    t_ns, known_ns = (rows.column(name).to_numpy() for name in ("t_ns", "known_ns"))
    earliest = np.append(np.minimum.accumulate(known_ns[::-1])[::-1], np.iinfo(np.int64).max)
    late = earliest[np.searchsorted(t_ns, t_ns, "right")] < known_ns
    return [int(t) for t in np.unique(t_ns[late])]


def _marks(times: list[int]) -> dict[str, Any]:
    return {"t_ns": times[:MOST_MARKS], "more": len(times) > MOST_MARKS}


def _before(store: Store, asked: Asked, signal: Signal, start_ns: int) -> dict[str, Any] | None:
    """The state that stood when the range begins: a state is told when it changes, and holds until then."""
    if signal.kind != "state":
        return None
    begin = pa.table({"thing": [asked.thing], "t_ns": [max(start_ns, -_FAR_NS)]})
    row = align.asof(store, begin, [signal.name], known_by_ns=asked.known_by_ns).to_pylist()[0]
    t_ns = row[f"{signal.name}.t_ns"]
    return None if t_ns is None else {"value": row[signal.name], "t_ns": t_ns}


def _newest(store: Store, asked: Asked, signal: Signal, unit: str) -> dict[str, Any] | None:
    rows = store.newest([asked.thing], [asked.signal]).to_pylist()
    if not rows:
        return None
    value = rows[0]["value"] if rows[0]["value"] is not None else rows[0]["code"]
    return {
        "value": _in_unit(value, signal, unit), "t_ns": rows[0]["t_ns"], "quality": rows[0]["quality"],
        "known_ns": rows[0]["known_ns"],
    }


def _in_unit(value: float | None, signal: Signal, unit: str) -> float | None:
    if value is None or signal.unit == unit or signal.unit not in units.UNITS:
        return value
    return float(units.convert(float(value), signal.unit, unit))
