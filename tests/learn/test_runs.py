"""Features of a run: what they measure, and what they must not depend on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Windows
from loopwright.learn.wear.runs import (
    NAMES,
    SETUP,
    Features,
    RunSettings,
    assemble,
    find_runs,
    from_points,
    from_windows,
    measure,
)
from loopwright.packs.shop_floor.signals import CUTTING, MILL
from loopwright.twins.mill import MillTwin

SETTINGS = RunSettings(CUTTING)


def a_run(n: int = 400, roughness: float = 1.0, seed: int = 0) -> dict[str, np.ndarray]:
    """A run with 40 samples of air, then cutting at 6 mm/s, then air."""
    rng = np.random.default_rng(seed)
    cutting = (np.arange(n) >= 40) & (np.arange(n) < n - 40)
    return {
        "machining.process": np.where(cutting, 3.0, 2.0), "s.velocity": np.full(n, 335.0),
        "program.feed": np.where(cutting, 0.006, 0.05), "s.output_power": np.where(cutting, 200.0, 150.0),
        "s.acceleration": roughness * rng.standard_normal(n), "s.current_feedback": 0.2 + 0.01 * roughness * rng.standard_normal(n),
    }


def test_levels_and_feed_are_those_of_the_cutting_samples() -> None:
    row = measure(a_run(), SETTINGS)
    assert row is not None
    assert row["feed_m_s"] == 0.006
    assert row["power.level_w"] == 200.0
    assert row["power.cut_w"] == 50.0
    assert row["torque.level"] == pytest.approx(0.2, abs=2e-3)


def test_the_spread_of_noise_is_its_median_deviation() -> None:
    """A normal distribution lies within 0.6745 of its middle half of the time, and within 1.96 in 95 of 100 cases."""
    row = measure(a_run(n=40_000), SETTINGS)
    assert row is not None
    assert row["acceleration.spread"] == pytest.approx(0.6745, rel=0.03)
    assert row["acceleration.high"] == pytest.approx(1.96, rel=0.03)
    assert row["acceleration.step"] == pytest.approx(0.6745 * 2**0.5, rel=0.03)


def test_a_longer_run_has_no_larger_numbers() -> None:
    """Length tells whether a run was stopped, which tells its tool; so nothing may grow with it."""
    short, long = measure(a_run(2_000), SETTINGS), measure(a_run(40_000, seed=1), SETTINGS)
    assert short is not None
    assert long is not None
    for name in short:
        assert long[name] == pytest.approx(short[name], rel=0.1), name


def test_rows_of_rapid_travel_and_of_a_spindle_that_starts_are_left_out() -> None:
    columns = a_run()
    columns["s.acceleration"][:40] = 1e6
    columns["s.velocity"][40:60] = 100.0
    columns["s.acceleration"][40:60] = 1e6
    columns["program.feed"][60:70] = 0.05
    columns["s.acceleration"][60:70] = 1e6
    row = measure(columns, SETTINGS)
    assert row is not None
    assert row["acceleration.high"] < 3.0


def test_gaps_are_not_bridged() -> None:
    columns = a_run()
    columns["s.acceleration"][100:200] = np.nan
    columns["s.acceleration"][200:] += 1e3
    row = measure(columns, SETTINGS)
    assert row is not None
    assert row["acceleration.step_high"] < 10.0


def test_a_run_with_too_little_cutting_is_not_judged_and_a_missing_signal_is_named() -> None:
    assert measure(a_run(95), SETTINGS) is None
    columns = a_run()
    del columns["s.acceleration"]
    with pytest.raises(UnknownName, match=r"s\.acceleration"):
        measure(columns, SETTINGS)


def test_windows_and_points_of_the_same_run_give_the_same_numbers() -> None:
    run = next(MillTwin(1, MILL, "mill-1", 0, stroke_m=0.02).runs(1))
    columns = from_points(run.table)
    names = SETTINGS.signals
    values = np.stack([columns[name] for name in names], axis=1)[None]
    mask = np.isfinite(values)
    windows = Windows(("mill-1",), np.where(mask, values, 0.0), mask, np.arange(values.shape[1]), names, ("",) * len(names))
    assert measure(from_windows(windows), SETTINGS) == measure(columns, SETTINGS)


def test_points_that_arrive_in_any_order_give_the_same_columns() -> None:
    run = next(MillTwin(1, MILL, "mill-1", 0, stroke_m=0.01).runs(1))
    mixed = run.table.take(np.random.default_rng(0).permutation(run.table.num_rows))
    for name, column in from_points(run.table).items():
        np.testing.assert_array_equal(from_points(mixed)[name], column)


def test_a_missing_sample_is_a_gap_in_the_grid() -> None:
    run = next(MillTwin(1, MILL, "mill-1", 0, stroke_m=0.01).runs(1))
    kept = run.table.filter(pc.field("t_ns") != run.start_ns + 500_000_000)
    assert np.isnan(from_points(kept)["s.velocity"][5])
    assert from_points(pa.table({c: run.table.column(c).slice(0, 0) for c in run.table.column_names})) == {}


def test_rows_of_two_machines_are_not_one_run() -> None:
    tables = [next(MillTwin(1, MILL, thing, 0, stroke_m=0.01).runs(1)).table for thing in ("mill-1", "mill-2")]
    with pytest.raises(InputError, match="several things"):
        from_points(pa.concat_tables(tables))


def test_features_stand_in_the_order_of_their_runs_and_unknown_clamps_are_unknown() -> None:
    row = measure(a_run(), SETTINGS)
    assert row is not None
    features = assemble({"b": row, "a": row}, {"b": 4e5})
    assert features.runs == ("b", "a")
    assert features.names == NAMES
    assert features.columns(SETUP)[0].tolist() == [0.006, 4e5]
    assert np.isnan(features.columns(["clamp_pa"])[1, 0])
    assert features.take([1]).runs == ("a",)
    with pytest.raises(UnknownName, match=r"torque\.level"):
        features.columns(["torque.levl"])
    with pytest.raises(InputError, match="values are"):
        Features(("a",), NAMES, np.zeros((2, 3)))


def test_runs_are_found_by_their_number() -> None:
    assert find_runs(np.array([10, 20, 30, 40]), np.array([7, 7, 8, 8])) == [(7, 10, 20), (8, 30, 40)]
    assert find_runs(np.array([]), np.array([])) == []
