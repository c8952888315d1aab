"""Usual rows with anomalies put in, to choose a detector where nobody has labelled any.

    values, labels = planted(rows, seed)          (N, C) -> (N, C), (N,)

Kinds: another level, a trend, more noise, no movement, single spikes, a movement of another height or turned round.
Source: M. Goswami et al., ICLR 2023 (choosing detectors without labels by anomalies put in).
"""

from __future__ import annotations

import numpy as np

from loopwright.learn.detecting.level import settle

KINDS = ("level", "trend", "noise", "still", "spikes", "height", "turned")
SHARE = (0.1, 0.3)  # of the rows that an anomaly lasts


def planted(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(a copy with one anomaly in a third of the channels, 1 where it is). Fewer than 10 rows are left as they are."""
    random = np.random.default_rng(seed)
    values, labels = rows.copy(), np.zeros(len(rows), dtype=np.int8)
    if len(rows) < 10:
        return values, labels
    length = max(2, int(len(rows) * random.uniform(*SHARE)))
    begin = int(random.integers(len(rows) // 4, len(rows) - length + 1))
    part = slice(begin, begin + length)
    chosen = random.choice(rows.shape[1], size=-(-rows.shape[1] // 3), replace=False)
    _, spread = settle(rows)
    values[part, chosen] = _changed(KINDS[seed % len(KINDS)], values[part, chosen], spread[chosen], random)
    labels[part] = 1
    return values, labels


def _changed(kind: str, part: np.ndarray, spread: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The rows of the anomaly, changed as the kind says; spread (c,) of the usual rows."""
    size = random.uniform(1.5, 4.0) * random.choice([-1.0, 1.0], size=part.shape[1]) * spread
    middle = np.nan_to_num(np.nanmean(np.where(np.isfinite(part), part, 0.0), axis=0))
    if kind == "level":
        return part + size
    if kind == "trend":
        return part + size * np.linspace(0.0, 1.0, len(part))[:, None]
    if kind == "noise":
        return part + np.abs(size) * random.normal(size=part.shape)
    if kind == "still":
        return np.repeat(part[:1], len(part), axis=0)
    if kind == "spikes":
        return part + 2.0 * size * (random.random(part.shape) < 0.1)
    if kind == "height":
        return middle + (part - middle) * random.choice([0.3, 2.5])
    return part[::-1]
