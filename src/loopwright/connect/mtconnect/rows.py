"""MTConnect observations to rows of points: texts to numbers, words to codes, units, gaps, quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.connect.mtconnect.documents import UNAVAILABLE
from loopwright.connect.mtconnect.names import Scale
from loopwright.connect.mtconnect.parse import times
from loopwright.core.types import POINTS_IN, Signal

NOT_OF_SIGNAL, NO_TIME = "not a value of this signal", "without a time"


@dataclass(frozen=True)
class Target:
    """What a data item is: signal of a thing, quality of its values, scale to the inside unit (None: as it is)."""

    thing: str
    signal: Signal
    quality: int
    scale: Scale | None


def to_table(
    targets: Sequence[Target], which: np.ndarray, time: pa.Array, value: pa.Array
) -> tuple[pa.Table, dict[str, int]]:
    """POINTS_IN rows, in the order given, and reason -> observations that could not be used.

    which  (n,) place in targets; time, value (n,) texts
    """
    t_ns, n, timeless = times(time)
    numbers, whole = np.zeros(len(which)), np.zeros(len(which), dtype=np.int64)
    gap = pc.equal(value, UNAVAILABLE).fill_null(True).to_numpy(zero_copy_only=False)
    bad = np.zeros(len(which), dtype=bool)
    order = np.argsort(which, kind="stable")
    edges = np.searchsorted(which[order], np.arange(len(targets) + 1))
    for place, target in enumerate(targets):
        mine = order[edges[place] : edges[place + 1]]
        mine = mine[~gap[mine]]
        if not len(mine):
            continue
        texts = value.take(pa.array(mine))
        if target.signal.kind == "gauge":
            numbers[mine], bad[mine] = _gauges(texts, target.scale)
        else:
            whole[mine], bad[mine] = _codes(texts, target)
    gap |= np.isnan(numbers)
    gauge = np.array([target.signal.kind == "gauge" for target in targets], dtype=bool)[which]
    place = pa.array(which.astype(np.int32))
    table = pa.table([
        pa.DictionaryArray.from_arrays(place, pa.array([t.thing for t in targets])).cast(pa.string()),
        pa.DictionaryArray.from_arrays(place, pa.array([t.signal.name for t in targets])).cast(pa.string()),
        pa.array(t_ns), pa.array(n), pa.array(np.where(gap, 0.0, numbers), mask=gap | ~gauge),
        pa.array(whole, mask=gap | gauge), pa.array(np.array([t.quality for t in targets], dtype=np.int8)[which]),
    ], schema=POINTS_IN)
    refused = Counter({NO_TIME: int(timeless.sum()), NOT_OF_SIGNAL: int((bad & ~timeless).sum())})
    keep = ~(bad | timeless)
    return table if keep.all() else table.filter(pa.array(keep)), {reason: n for reason, n in refused.items() if n}


def _gauges(texts: pa.Array, scale: Scale | None) -> tuple[np.ndarray, np.ndarray]:
    """(n,) numbers in the inside unit, and which texts are none."""
    bad = np.zeros(len(texts), dtype=bool)
    try:
        numbers = pc.cast(pc.utf8_trim_whitespace(texts), pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        found = [_number(text) for text in texts.to_pylist()]
        bad = np.array([number is None for number in found])
        numbers = np.array([0.0 if number is None else number for number in found])
    with np.errstate(over="ignore", invalid="ignore"):
        return (numbers if scale is None else numbers * scale[0] + scale[1]), bad


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _codes(texts: pa.Array, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """(n,) codes of words, or whole numbers, and which texts are neither."""
    words: Mapping[str, int] = {word.lower(): code for code, word in target.signal.codes.items()}
    several = pc.dictionary_encode(texts)
    found = [_code(text.strip(), words, target.scale) for text in several.dictionary.to_pylist()]
    place = several.indices.to_numpy()
    codes = np.array([code or 0 for code in found], dtype=np.int64)
    return codes[place], np.array([code is None for code in found])[place]


def _code(text: str, words: Mapping[str, int], scale: Scale | None) -> int | None:
    if text.lower() in words:
        return words[text.lower()]
    try:
        if scale is None:
            return int(text) if -(2**63) <= int(text) < 2**63 else None
    except ValueError:
        pass
    number = _number(text)
    if number is None:
        return None
    number = number if scale is None else number * scale[0] + scale[1]
    return int(number) if number == number and abs(number) < 2**63 and number == int(number) else None
