"""Thousands of channels: those that go along with the life left are read, the others cost nothing."""

from __future__ import annotations

import numpy as np

from loopwright.learn.lives import life_rows
from loopwright.learn.lives.units import Unit


def fleet(channels: int, told: dict[int, float], seed: int = 0) -> list[Unit]:
    """Ten units of noise in which the channels of `told` grow towards the end, by so much."""
    rng = np.random.default_rng(seed)
    units = []
    for i in range(10):
        life = int(rng.integers(60, 120))
        values = rng.normal(size=(life, channels))
        for channel, much in told.items():
            values[:, channel] += much * np.exp(-np.arange(life)[::-1] / 40)
        units.append(Unit(f"u{i}", values, np.zeros((life, 0)), 0.0))
    return units


def test_of_a_thousand_channels_those_that_tell_are_read() -> None:
    kept = life_rows.fit(fleet(1000, {17: 4.0, 400: -4.0, 999: 4.0}))["norm"]["kept"]
    assert len(kept) == life_rows.MOST
    assert {17, 400, 999} <= set(kept.tolist())
    assert kept.tolist() == sorted(kept.tolist())


def test_sixty_channels_are_all_read() -> None:
    assert life_rows.fit(fleet(60, {3: 4.0}))["norm"]["kept"].tolist() == list(range(60))
