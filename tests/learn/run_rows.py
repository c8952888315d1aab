"""Runs made up for tests: features in which wear shows as unsteadiness, or does not."""

from __future__ import annotations

import numpy as np

from loopwright.learn.wear.runs import LEVELS, NAMES, UNSTEADY, Features


def made_up(n: int = 16, effect: float = 0.5, seed: int = 0) -> tuple[Features, np.ndarray]:
    """(features, labels): worn runs are exp(effect) times as unsteady; a faster feed makes every run less steady."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 2).astype(float)
    feed = rng.choice([0.003, 0.006, 0.012, 0.02], n)
    columns = {"feed_m_s": feed, "clamp_pa": rng.choice([2.5e5, 3e5, 4e5], n)}
    for name in UNSTEADY:
        columns[name] = np.exp(0.3 * np.log(feed * 1e3) + effect * y + 0.15 * rng.standard_normal(n))
    for name in LEVELS:
        columns[name] = rng.standard_normal(n)
    values = np.column_stack([columns[name] for name in NAMES])
    return Features(tuple(f"mill-{i % 3 + 1}/run-{i}" for i in range(n)), NAMES, values), y
