"""Every kind of task goes one way: tried on units left out, chosen on others than those that prove, kept by its hash."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loopwright.core import plug
from loopwright.core.errors import InputError
from loopwright.learn import tasks
from loopwright.learn.kept import card as cards
from loopwright.learn.kept import registry
from loopwright.learn.lives.units import Unit
from loopwright.learn.tasks import anomaly, classes, forecast, life


def series(things: int = 2, steps: int = 600, seed: int = 0) -> dict[str, Any]:
    """Signals with a cycle of a day of hours, noise, a gap."""
    rng = np.random.default_rng(seed)
    t = np.arange(steps)
    values = 50 + 20 * np.sin(2 * np.pi * t / 24)[None] * np.arange(1, things + 1)[:, None] + rng.normal(0, 3, (things, steps))
    values[0, 100:110] = np.nan
    return {"values": values, "things": [f"mill-{i}" for i in range(things)], "signal": "s.energy", "unit": "J", "step_s": 3600.0,
            "ahead": 12, "start_ns": 1_767_571_200 * 10**9, "known_by_ns": 2 * 10**18}


def lives(n: int = 9, seed: int = 0, told: bool = True) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    units = []
    for i in range(n):
        runs = int(rng.integers(20, 40))
        wear = np.exp(-np.arange(runs)[::-1] / 8.0)[:, None] * (3.0 if told else 0.0)
        units.append(Unit(f"mill-{i % 3}/tool-{i}", wear + rng.normal(0, 0.1, (runs, 1)), np.zeros((runs, 0)), 0.0))
    return {"units": life.plain(units), "signals": ["noise"], "word": "runs", "known_by_ns": 2 * 10**18}


def runs(n: int = 10, seed: int = 0, told: bool = True) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    labels = ["passed" if i % 2 else "failed" for i in range(n)]
    values = [np.cumsum(rng.normal(0, 1.0 if word == "passed" or not told else 4.0, (2, 96)), axis=1) for i, word in enumerate(labels)]
    return {"ids": [f"mill-{i % 3}/run-{i}" for i in range(n)], "values": values, "channels": ["power", "speed"], "rate_hz": 1.0,
            "labels": labels, "things": [f"mill-{i % 3}" for i in range(n)], "label": "passed", "known_by_ns": 2 * 10**18}


def trouble(days: int = 30, seed: int = 0, told: bool = True) -> dict[str, Any]:
    """Minutes of two signals of two pumps; three hours before trouble one of them grows (where it is told)."""
    rng = np.random.default_rng(seed)
    steps = days * 144  # of ten minutes
    values = rng.normal(0, 1, (2, steps, 2))
    began = np.zeros((2, steps), dtype=bool)
    for thing in range(2):
        for at in rng.choice(np.arange(40, steps - 1), days, replace=False):
            began[thing, at] = True
            if told:
                values[thing, at - 12:at, 0] += 9.0
    return {"values": values, "things": ["pump-1", "pump-2"], "signals": ["heat", "flow"], "trouble": began, "step_s": 600.0,
            "block": 6, "per_day": 1.0, "start_ns": 1_767_571_200 * 10**9, "known_by_ns": 2 * 10**18}


GOOD = {"forecast": series, "life": lives, "classes": runs, "anomaly": trouble}


def made(kind: str, data: dict[str, Any]) -> tasks.Fitted:
    """All steps, as a plant takes them, each through a file."""
    found = {}
    for name in tasks.candidates(kind, data):
        pytest.importorskip("numba" if name == "rocket" else "sklearn" if name in ("boosting", "intervals") else "numpy")
        found[name] = registry.decode(registry.encode(tasks.tried(kind, data, name)))
    return tasks.chosen(kind, f"test-{kind}", data, found)


def test_every_kind_of_task_is_examined_here() -> None:
    assert set(plug.find("learn.tasks")) == set(GOOD)
    for kind in GOOD:
        module = plug.load("learn.tasks", kind)
        assert kind == module.NAME
        assert module.MEANING.endswith(".")


SOME = [pytest.param(kind, marks=pytest.mark.slow) if kind == "classes" else kind for kind in GOOD]


@pytest.mark.parametrize("kind", SOME)
def test_what_can_be_told_is_told_better_than_by_the_baseline_and_the_card_says_so(kind: str) -> None:
    one = made(kind, GOOD[kind]())
    card, losses = one.card, one.kept["losses"]
    assert card.weights_hash == registry.address(one.kept)
    assert card.metrics["loss"] < card.baseline["loss"]
    assert card.metrics["loss"] == pytest.approx(np.mean(losses["ours"]))
    assert len(losses["units"]) >= 6
    assert card.split
    assert card.limits
    assert (card.baseline["name"], card.task) == (plug.load("learn.tasks", kind).BASELINE, f"test-{kind}")
    assert card.cost["energy"] in ("measured", "estimated")
    assert card.cost["cpu_s"] > 0


@pytest.mark.parametrize("kind", GOOD)
def test_the_same_data_give_the_same_name(kind: str) -> None:
    data = GOOD[kind]()
    names = [name for name in tasks.candidates(kind, data) if name not in ("rocket", "boosting", "intervals", "kernel")]
    once, again = (tasks.chosen(kind, "t", data, {name: tasks.tried(kind, data, name) for name in names}) for _ in range(2))
    assert once.card.weights_hash == again.card.weights_hash


def test_stretches_of_a_forecast_do_not_overlap_and_the_later_half_proves() -> None:
    data = series()
    starts = forecast.origins(data)
    assert (np.diff(starts) == data["ahead"]).all()
    assert starts[-1] + data["ahead"] == data["values"].shape[1]
    one = made("forecast", data)
    assert len(one.kept["losses"]["units"]) == len(starts), "two things, half of the stretches"
    assert abs(one.card.metrics["coverage_80"] - 0.8) < 0.2


@pytest.mark.slow
def test_noise_that_tells_nothing_is_no_better_than_the_baseline() -> None:
    one = made("classes", runs(told=False, seed=4))
    assert one.card.metrics["loss"] > 0.8 * one.card.baseline["loss"]
    two = made("anomaly", trouble(told=False, seed=4))
    assert two.card.metrics["loss"] > 0.95 * two.card.baseline["loss"]


def test_alarms_of_a_detector_keep_to_their_budget_where_it_was_set() -> None:
    data = trouble()
    one = anomaly.tried(data, "robust_z")
    assert all(0.0 <= rule["quiet"] < rule["alarm"] <= 1.0 for rule in one["rules"])
    alarms = (np.asarray(one["p"])[0] == one["rules"][0]["alarm"]).sum() + (np.asarray(one["p"])[1] == one["rules"][1]["alarm"]).sum()
    troubles = int(np.asarray(one["truth"]).sum())
    assert alarms <= 3 * troubles + 2 * 20, "ten days of two pumps: real ones, and one false a day each, with room for chance"


@pytest.mark.parametrize(("kind", "data", "says"), [
    ("life", lives(3), "of 3 units"), ("classes", runs(4), "2 failed, 2 passed"),
    ("classes", {**runs(8), "labels": ["passed"] * 8}, "8 passed"), ("anomaly", trouble(0), "0 blocks"),
    ("anomaly", {**trouble(), "trouble": np.zeros((2, 30 * 144), dtype=bool)}, "no trouble is known"),
    ("forecast", series(steps=40), "0 stretches"),
])
def test_too_little_is_told_in_words(kind: str, data: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        tasks.chosen(kind, "t", data, {name: tasks.tried(kind, data, name) for name in tasks.candidates(kind, data)[:2]})


def test_a_signal_that_stands_still_or_is_unknown_is_forecast_without_a_crash() -> None:
    for values in (np.full((1, 600), 7.0), np.where(np.arange(600) % 50 < 45, np.nan, 1.0)[None]):
        found = {name: tasks.tried("forecast", {**series(1), "values": values}, name) for name in ("seasonal_naive", "naive")}
        assert np.isfinite(found["naive"]["loss"]).all()


@pytest.mark.slow
def test_what_is_kept_speaks_again() -> None:
    kept = made("life", lives()).kept
    units = [Unit("mill-9/tool-1", np.zeros((5, 1)), np.zeros((5, 0)))]
    estimate, quantiles = life.say(kept, units)
    assert estimate.shape == (1,)
    assert (np.diff(quantiles) >= 0).all()
    assert life.baseline(kept, units)[0] > 0
    data = runs()
    kept = made("classes", data).kept
    p = classes.say(kept, classes.cases_of(data))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert (np.array(["failed", "passed"])[p.argmax(axis=1)] == data["labels"]).all()
    kept = made("anomaly", trouble()).kept
    quiet, base = anomaly.say(kept, "pump-2", np.zeros((6, 2)))
    loud, _ = anomaly.say(kept, "pump-2", np.full((6, 2), 30.0))
    assert quiet < base < loud


def test_energy_is_measured_only_where_all_of_it_was() -> None:
    one = {"wall_s": 1.0, "cpu_s": 2.0, "energy_j": 3.0, "energy": "measured", "energy_method": "read"}
    other = {**one, "energy": "estimated", "energy_method": "processor seconds x 12 W"}
    assert cards.together([one, one]) == {**one, "wall_s": 2.0, "cpu_s": 4.0, "energy_j": 6.0}
    assert cards.together([one, other])["energy"] == "estimated"
    assert cards.together([one, other])["energy_method"] == other["energy_method"]
    with cards.spent(100.0) as cost:
        sum(range(10**6))
    assert cost["energy"] in ("measured", "estimated")
    assert cost["energy"] == "measured" or cost["energy_j"] == pytest.approx(100.0 * cost["cpu_s"])
