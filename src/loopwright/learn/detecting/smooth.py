"""Exponential averages of many signals, row by row: y <- y + (x - y) / memory.

    averages, last = follow(last, rows, memory)       (C,), (N, C) -> (N, C), (C,)

Chunks of any size give the same digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.detecting.compiled import compiled


def follow(last: np.ndarray, rows: np.ndarray, memory: float) -> tuple[np.ndarray, np.ndarray]:
    """((N, C) the average after each row, the last of them).

    last    (C,) the average before the first row, finite
    rows    (N, C) NaN: missing, the average stays
    memory  rows, 1 or more
    """
    loop = compiled(_loop)
    out, now = np.empty(rows.shape), np.array(last, dtype=float)
    if loop is None:
        for n, row in enumerate(rows):
            now = np.where(np.isfinite(row), now + (row - now) / memory, now)
            out[n] = now
        return out, now
    loop(rows, now, float(memory), out)
    return out, now


def _loop(rows: Any, now: Any, memory: float, out: Any) -> None:
    """Row after row; the averages `now` are moved on in place."""
    for n in range(len(rows)):
        for c in range(rows.shape[1]):
            x = rows[n, c]
            if np.isfinite(x):
                now[c] = now[c] + (x - now[c]) / memory
            out[n, c] = now[c]
