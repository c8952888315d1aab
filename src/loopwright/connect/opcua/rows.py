"""OPC UA values to rows of points: types, words of states, units, gaps, quality."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.connect.opcua.codec import NO_SAMPLE_YET, Run, quality_of
from loopwright.core.types import POINTS_IN, Kind, Signal

Scale = tuple[float, float]  # inside = value * factor + offset
NOT_OF_SIGNAL = "not a value of this signal"


def by_handle(run: Run) -> list[tuple[int, Run]]:
    """A run of several monitored items as one run each, in the order of their handles."""
    if (run.handle == run.handle[0]).all():
        return [(int(run.handle[0]), run)]
    order = np.argsort(run.handle, kind="stable")
    ordered = run.handle[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    return [(int(run.handle[place[0]]), _at(run, place)) for place in np.split(order, starts[1:])]


def pick(run: Run, mask: np.ndarray) -> Run:
    """The values of a run where the mask is True."""
    return run if mask.all() else _at(run, np.flatnonzero(mask))


def _at(run: Run, place: np.ndarray) -> Run:
    value = run.value
    if value is not None:
        value = [value[i] for i in place.tolist()] if isinstance(value, list) else value[place]
    return Run(run.handle[place], value, run.status[place], run.t_ns[place], run.n[place], run.arrival[place])


def is_sample(run: Run) -> np.ndarray:
    """(n,) False where there is no time at all, or the server has not measured anything yet."""
    found = run.t_ns != 0
    if run.status.any():
        code = run.status & 0xFFFF_0000
        for no_sample in NO_SAMPLE_YET:
            found &= code != no_sample
    return found


def to_table(
    thing: str, kind: Kind, found: Iterable[tuple[str, Run]], scales: dict[tuple[str, str], Scale]
) -> tuple[pa.Table, dict[str, int]]:
    """POINTS_IN rows of (signal, run) pairs of one thing, and reason -> values that could not be used.

    Without a time at all, or before the server's first value, there is no sample and nothing is counted.
    """
    names, runs, columns = [], [], []
    for name, each in found:
        run = pick(each, is_sample(each))
        if len(run.t_ns):
            names.append(name)
            runs.append(run)
            columns.append(_numbers(run, kind.signal(name), scales.get((thing, name))))
    if not runs:
        return POINTS_IN.empty_table(), {}
    numbers, whole, gap, bad = (np.concatenate([column[i] for column in columns]) for i in range(4))
    lengths = [len(run.t_ns) for run in runs]
    place = np.repeat(np.arange(len(names), dtype=np.int32), lengths)
    gauge = np.repeat([kind.signal(name).kind == "gauge" for name in names], lengths)
    t_ns, n, status = (np.concatenate([getattr(run, name) for run in runs]) for name in ("t_ns", "n", "status"))
    table = pa.table([
        pa.DictionaryArray.from_arrays(np.zeros(len(place), dtype=np.int32), pa.array([thing])).cast(pa.string()),
        pa.DictionaryArray.from_arrays(place, pa.array(names)).cast(pa.string()),
        pa.array(t_ns.astype(np.int64)), pa.array(n.astype(np.int32)), pa.array(numbers, mask=gap | ~gauge),
        pa.array(whole, mask=gap | gauge), pa.array(quality_of(status)),
    ], schema=POINTS_IN)
    return (table.filter(pa.array(~bad)), {NOT_OF_SIGNAL: int(bad.sum())}) if bad.any() else (table, {})


def _numbers(run: Run, signal: Signal, scale: Scale | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(n,) each: numbers of a gauge, whole numbers of the others, where there is a gap, what the signal cannot be."""
    count = len(run.t_ns)
    none, bad = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    if run.value is None:
        return none.astype(np.float64), none, ~bad, bad
    if isinstance(run.value, list):
        codes, bad = _from_objects(run.value, signal)
        return codes.astype(np.float64), codes, np.zeros(count, dtype=bool), bad
    value = run.value
    gap = np.isnan(value) if value.dtype.kind == "f" else np.zeros(count, dtype=bool)
    if signal.kind == "gauge":
        numbers = np.where(gap, 0.0, value.astype(np.float64))
        with np.errstate(over="ignore", invalid="ignore"):
            return numbers if scale is None else numbers * scale[0] + scale[1], none, gap, bad
    if value.dtype.kind == "f":
        bad = ~gap & ((value != np.trunc(value)) | (np.abs(value) >= 2.0**63))
        value = np.where(gap | bad, 0, value)
    elif value.dtype.kind == "u":
        bad = value > np.iinfo(np.int64).max
    return none.astype(np.float64), value.astype(np.int64), gap, bad


def _from_objects(values: list[Any], signal: Signal) -> tuple[np.ndarray, np.ndarray]:
    """Codes of words of a state; every other text, list or structure is marked."""
    words = {word.lower(): code for code, word in signal.codes.items()}
    found = [words.get(value.lower()) if isinstance(value, str) else None for value in values]
    return np.array([code or 0 for code in found], dtype=np.int64), np.array([code is None for code in found])
