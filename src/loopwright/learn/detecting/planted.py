"""Usual rows with anomalies put in, to choose a detector where nobody has labelled any.

    values, labels = planted(rows, seed)          (N, C) -> (N, C), (N,); the kind is KINDS[seed % 7]

Kinds: single spikes, another level, a slow drift, a value that is stuck, more noise, the same movement at another pace,
and channels that show what they showed at another time, so that they no longer go with the others.
Source: M. Goswami et al., ICLR 2023 (choosing detectors without labels by anomalies put in).
"""

from __future__ import annotations

import numpy as np

from loopwright.learn.detecting.level import settle

KINDS = ("spike", "level", "drift", "stuck", "noise", "rhythm", "apart")
SHARE = (0.1, 0.3)  # of the rows that an anomaly lasts
SIZE = (1.5, 4.0)  # spreads; a spike is twice as far
FEWEST = 5  # rows


def planted(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(a copy with one anomaly in a third of the channels, 1 where it is). Fewer than 5 rows are left as they are."""
    random = np.random.default_rng(seed)
    values, labels = rows.copy(), np.zeros(len(rows), dtype=np.int8)
    if len(rows) < FEWEST:
        return values, labels
    kind = KINDS[seed % len(KINDS)]
    length = max(2, int(len(rows) * random.uniform(*SHARE)))
    begin = int(random.integers(len(rows) // 4, len(rows) - length + 1))
    at = begin + np.arange(length)
    chosen = random.choice(rows.shape[1], size=-(-rows.shape[1] // 3), replace=False)
    if kind == "spike":
        at = np.sort(random.choice(at, size=-(-length // 10), replace=False))
    _, spread = settle(rows)
    size = random.uniform(*SIZE) * random.choice([-1.0, 1.0], size=len(chosen)) * spread[chosen]
    values[np.ix_(at, chosen)] = _changed(kind, rows[:, chosen], at, size, random)
    labels[at] = 1
    return values, labels


def _changed(kind: str, rows: np.ndarray, at: np.ndarray, size: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(n, c) what the rows `at` of (N, c) become; size (c,) in the channels' units, with a sign."""
    part, count = rows[at], len(at)
    if kind == "spike":
        return part + 2.0 * size
    if kind == "level":
        return part + size
    if kind == "drift":
        return part + size * np.linspace(0.0, 1.0, count)[:, None]
    if kind == "stuck":
        return np.repeat(part[:1], count, axis=0)
    if kind == "noise":
        return part + np.abs(size) * random.normal(size=part.shape)
    if kind == "rhythm":
        pace = random.choice([0.5, 2.0])
        first = max(0, min(int(at[0]), len(rows) - int(pace * count)))
        return rows[np.minimum(first + (pace * np.arange(count)).astype(int), len(rows) - 1)]
    return rows[(at + len(rows) // 2) % len(rows)]
