"""Energy of machines is forecast from what the store holds, kept before it is known, scored when it is, and calibrated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from loopwright.app import forecasting
from loopwright.app.learning import task_of
from loopwright.app.learning.forecast import heard as history
from loopwright.app.plant import Plant, open_plant
from loopwright.app.site import load_site
from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.types import Batch
from loopwright.learn.kept import predictions
from tests.app.small_parts import points_of

TASK = "forecast-s.energy"
MIN = 60 * NS_PER_S
T0 = 1_767_600_000 * NS_PER_S
SITE = """
[site]
name = "two mills"

[[machine]]
id = "mill-1"
kind = "mill"
role = "mill"
link = { protocol = "mqtt" }

[[machine]]
id = "mill-2"
kind = "mill"
role = "mill"
link = { protocol = "mqtt" }
"""


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    (tmp_path / "site.toml").write_text(SITE)
    with open_plant(load_site(tmp_path / "site.toml"), clock=SimClock(T0)) as one:
        yield one


def heard(plant: Plant, thing: str, first: int, last: int, number: int, level: float = 40_000.0) -> None:
    """Minutes of energy, J, with a cycle of 20 minutes."""
    minutes = np.arange(first, last)
    energy = level + 20_000 * np.sin(2 * np.pi * minutes / 20) + np.random.default_rng(first).normal(0, 1500, len(minutes))
    plant.store.put(Batch("test", "mills", number, points_of(thing, "s.energy", T0 + minutes * MIN, energy)))


def test_a_plant_that_said_nothing_gives_no_forecast(plant: Plant) -> None:
    assert forecasting.look(plant, T0) == []


def test_energy_is_forecast_kept_scored_and_its_quantiles_learn(plant: Plant) -> None:
    heard(plant, "mill-1", 0, 400, 0)
    heard(plant, "mill-2", 380, 400, 400)
    now_ns = T0 + 400 * MIN
    said = forecasting.look(plant, now_ns)
    by_thing = {decision.about: decision for decision in said}
    assert by_thing["mill-2"].abstains == "20 values of s.energy are known, 48 are needed"
    one = by_thing["mill-1"]
    assert one.unit == "J"
    low, value, high = (float(number or 0.0) for number in (one.low, one.value, one.high))
    assert one.model == f"{TASK}/seasonal_naive", "no model is in force"
    assert 0 < low < value < high < 120_000
    table = predictions.read(plant.store, task=TASK)
    assert len(table["due_ns"]) == 59
    assert np.isnan(table["outcome"]).all()
    assert forecasting.look(plant, now_ns) == []

    heard(plant, "mill-1", 400, 430, 500, level=90_000.0)
    forecasting.look(plant, T0 + 430 * MIN)
    table = predictions.read(plant.store, task=TASK)
    known = np.isfinite(table["outcome"])
    assert known.sum() >= 28
    task = task_of(plant, TASK)
    windows = history(plant, task, T0 + 430 * MIN)
    assert windows is not None
    offsets = forecasting._offsets(plant, task, f"{TASK}/seasonal_naive", windows)
    row = windows.ids.index("mill-1")
    assert (offsets.offsets[row] > 0).all()
    np.testing.assert_array_equal(offsets.offsets[1 - row], 0.0)


def test_values_ahead_of_the_clock_are_not_predicted(plant: Plant) -> None:
    heard(plant, "mill-1", 0, 400, 0)
    heard(plant, "mill-1", 400, 430, 500)
    said = forecasting.look(plant, T0 + 400 * MIN)
    assert said[0].value is not None
    assert (predictions.read(plant.store, task=TASK)["due_ns"] > T0 + 429 * MIN).all()
