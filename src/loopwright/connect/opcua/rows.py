"""OPC UA values to rows of points: types, words of states, units, gaps, quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.connect.opcua.codec import NO_SAMPLE_YET, Run, quality_of
from loopwright.core.types import POINTS_IN, Kind, Signal

Scale = tuple[float, float]  # inside = value * factor + offset
NOT_OF_SIGNAL = "not a value of this signal"


def pick(run: Run, mask: np.ndarray) -> Run:
    """The values of a run where the mask is True."""
    if mask.all():
        return run
    value = run.value
    if isinstance(value, list):
        value = [v for v, wanted in zip(value, mask.tolist(), strict=True) if wanted]
    elif value is not None:
        value = value[mask]
    return Run(run.handle[mask], value, run.status[mask], run.t_ns[mask], run.n[mask], run.arrival[mask])


def is_sample(run: Run) -> np.ndarray:
    """(n,) False where there is no time at all, or the server has not measured anything yet."""
    return ~np.isin(run.status & 0xFFFF_0000, NO_SAMPLE_YET) & (run.t_ns != 0)


def to_table(
    thing: str, kind: Kind, found: Iterable[tuple[str, Run]], scales: dict[tuple[str, str], Scale]
) -> tuple[pa.Table, dict[str, int]]:
    """POINTS_IN rows of (signal, run) pairs of one thing, and reason -> values that could not be used.

    Without a time at all, or before the server's first value, there is no sample and nothing is counted.
    """
    refused: Counter[str] = Counter()
    pieces = [POINTS_IN.empty_table()]
    for name, run in found:
        real = pick(run, is_sample(run))
        if len(real.t_ns):
            piece, bad = _piece(thing, kind.signal(name), real, scales.get((thing, name)))
            refused[NOT_OF_SIGNAL] += bad
            pieces.append(piece)
    return pa.concat_tables(pieces).combine_chunks(), {reason: n for reason, n in refused.items() if n}


def _piece(thing: str, signal: Signal, run: Run, scale: Scale | None) -> tuple[pa.Table, int]:
    """POINTS_IN rows of one signal, and how many values could not be one of its."""
    count, gauge = len(run.t_ns), signal.kind == "gauge"
    numbers: np.ndarray
    if run.value is None:
        numbers, gap, bad = np.zeros(count), np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    else:
        numbers, gap, bad = _numbers(run.value, signal)
    if scale is not None and gauge:
        numbers = numbers * scale[0] + scale[1]
    table = pa.table(
        [
            _all(thing, count), _all(signal.name, count),
            pa.array(run.t_ns.astype(np.int64)), pa.array(run.n.astype(np.int32)),
            pa.array(numbers, pa.float64(), mask=gap) if gauge else pa.nulls(count, pa.float64()),
            pa.nulls(count, pa.int64()) if gauge else pa.array(numbers.astype(np.int64), mask=gap),
            pa.array(quality_of(run.status)),
        ],
        schema=POINTS_IN,
    )
    return (table.filter(pa.array(~bad)), int(bad.sum())) if bad.any() else (table, 0)


def _all(word: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int32)), pa.array([word])).cast(pa.string())


def _numbers(value: np.ndarray | list[Any], signal: Signal) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) numbers of the signal's kind with 0 in the gaps, where the gaps are, and which values it cannot have."""
    bad = np.zeros(len(value), dtype=bool)
    numbers, bad = _from_objects(value, signal) if isinstance(value, list) else (value, bad)
    gap = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros(len(numbers), dtype=bool)
    if signal.kind == "gauge":
        return np.where(gap, 0.0, numbers.astype(np.float64)), gap, bad
    if numbers.dtype.kind == "f":
        bad = bad | (~gap & ((numbers != np.trunc(numbers)) | (np.abs(numbers) >= 2.0**63)))
        numbers = np.where(gap | bad, 0, numbers)
    elif numbers.dtype.kind == "u":
        bad = bad | (numbers > np.iinfo(np.int64).max)
    return numbers.astype(np.int64), gap, bad


def _from_objects(values: list[Any], signal: Signal) -> tuple[np.ndarray, np.ndarray]:
    """Codes of words of a state; every other text, list or structure is marked."""
    words = {word.lower(): code for code, word in signal.codes.items()}
    found = [words.get(value.lower()) if isinstance(value, str) else None for value in values]
    return np.array([code or 0 for code in found], dtype=np.int64), np.array([code is None for code in found])
