"""A small fleet that wears out, made by a rule that is written here: for tests that run anywhere.

A hidden wear grows as exp(rate (t - life)); sensors read it with noise, on top of what the flight condition adds. So
whoever sees through the noise and the condition can tell the end; a sensor that never moves is among them.
"""

from __future__ import annotations

import numpy as np

from loopwright.learn.lives.units import LifeSet, Unit, cut

SIGNALS = ("heat", "flow", "speed", "dead", "hum")
CONDITIONS = np.array([[0.0, 100.0], [20.0, 100.0], [42.0, 60.0]])


def fleet(
    count: int, seed: int = 0, conditions: int = 1, life: float = 150.0, noise: float = 0.3, prefix: str = "unit",
) -> list[Unit]:
    """`count` units that ran until they failed after life * (0.7 to 1.5) cycles."""
    rng = np.random.default_rng(seed)
    units = []
    for number in range(count):
        rows = int(life * rng.uniform(0.7, 1.5))
        t = np.arange(rows)
        wear = np.exp(-(rows - 1 - t) / (0.25 * life))
        which = rng.integers(0, conditions, rows)
        settings = CONDITIONS[which] + rng.normal(0, 0.01, (rows, 2))
        clean = np.column_stack([2.0 * wear, -1.5 * wear, 0.7 * wear, np.zeros(rows), np.zeros(rows)])
        clean += rng.normal(0, 0.15, 5) * [1, 1, 1, 0, 1]  # no two units are made alike
        read = clean + rng.normal(0, noise, (rows, 5)) * [1, 1, 1, 0, 1]
        values = read * (1.0 + which[:, None]) + 50.0 * which[:, None] + 500.0
        units.append(Unit(f"{prefix}-{number}", values, settings, 0.0))
    return units


def life_set(train: int = 24, test: int = 12, conditions: int = 1, seed: int = 0) -> LifeSet:
    """Training units that failed, test units that were stopped at a place drawn by chance."""
    rng = np.random.default_rng(seed + 1)
    later = fleet(test, seed + 100, conditions, prefix="test")
    stopped = [cut(unit, int(rng.integers(len(unit) // 3, len(unit) - 4))) for unit in later]
    return LifeSet("made/lives", tuple(fleet(train, seed, conditions)), tuple(stopped), SIGNALS)
