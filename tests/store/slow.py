"""The same reads as the store's, in the plainest way: a loop over rows. Fast ones are compared with these."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.core.types import Windows
from loopwright.store import Store

Row = tuple[int, int, float | None]  # t_ns, n, value; None: a reported gap, or quality bad


def rows_of(store: Store, thing: str, signal: str, known_by_ns: int | None = None) -> list[Row]:
    """Every number of a signal in order of time, blocks taken apart; of equal times the one that counts comes last."""
    found = []
    for row in store.get(things=thing, signals=signal, known_by_ns=known_by_ns).to_pylist():
        if row["n"] >= 0 and signal not in _fast(store):
            value = row["value"] if row["value"] is not None else row["code"]
            found.append((row["t_ns"], row["n"], None if row["quality"] == 2 or value is None else float(value)))
    for at, row in enumerate(store.get(things=thing, signals=signal, known_by_ns=known_by_ns, blocks=True).to_pylist()):
        for i, value in enumerate(row["values"]):
            found.append((row["t_ns"] + i * row["dt_ns"], at, None if row["quality"] == 2 else value))
    return sorted(found, key=lambda row: row[:2])


def _fast(store: Store) -> set[str]:
    return {s.name for kind in store.kinds().values() for s in kind.signals if s.fast}


def windows(store: Store, things: list[str], signals: list[str], start_ns: int, end_ns: int, step_ns: int, known_by_ns: int | None = None) -> Any:
    """(values, mask) as `Store.windows` gives them."""
    steps = -(-(end_ns - start_ns) // step_ns)
    values, mask = np.zeros((len(things), steps, len(signals))), np.zeros((len(things), steps, len(signals)), bool)
    for b, thing in enumerate(things):
        if thing not in store.things():
            continue
        for c, signal in enumerate(signals):
            for t_ns, _, value in rows_of(store, thing, signal, known_by_ns):
                if start_ns <= t_ns < end_ns and value is not None:
                    values[b, (t_ns - start_ns) // step_ns, c] = value
                    mask[b, (t_ns - start_ns) // step_ns, c] = True
    return values, mask


def same(found: Windows, values: Any, mask: Any) -> None:
    """Asserts that windows are these."""
    np.testing.assert_array_equal(found.mask, mask)
    np.testing.assert_array_equal(found.values, values)
