"""The spindle's physics, and a mill built on it that says what a real one says."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from loopwright.core import kinds
from loopwright.core.errors import InputError
from loopwright.core.types import POINTS_IN
from loopwright.packs.shop_floor.signals import CUTTING, MILL
from loopwright.twins.mill import SIGNALS, MillTwin
from loopwright.twins.spindle import Cut, Spindle, cutting_power_w, observe, torque_ripple_nm, vibration_rms_m_s2

ORIGIN_NS = 1_767_600_000 * 10**9


def test_milling_power_is_that_of_the_makers_formula() -> None:
    """Sandvik Coromant's P = ap * ae * vf * kc / (60 * 10**6) kW: 3 mm, 10 mm, 600 mm/min, 2000 N/mm2 give 0.6 kW."""
    cut = Cut(depth_m=3e-3, width_m=10e-3, specific_pa=2000e6, edge_n_m=0.0, edge_worn_n_m=0.0)
    assert cutting_power_w(cut, 0.6 / 60, 2.0, 0.0) == pytest.approx(600.0)
    assert cutting_power_w(cut, 0.0, 2.0, 1.0) == 0.0


def test_rubbing_needs_edge_force_times_cutting_speed_and_grows_with_wear() -> None:
    """By hand: 2 mm of edge at 30 N/mm is 60 N; at 1.5 m/s that is 90 W."""
    cut = Cut(depth_m=2e-3, width_m=1e-9, specific_pa=1.0, edge_n_m=10e3, edge_worn_n_m=20e3)
    assert cutting_power_w(cut, 0.01, 1.5, 1.0) == pytest.approx(90.0, rel=1e-6)


def test_feed_a_tooth_and_cutting_speed_follow_the_makers_formulas() -> None:
    """fz = vf / (n * z): 600 mm/min at 3,000 rpm with two teeth is 0.1 mm. vc = pi * D * n: 6 mm at 3,000 rpm is 0.942 m/s."""
    spindle = Spindle(speed_rad_s=3000 * 2 * np.pi / 60, tool_m=6e-3, teeth=2)
    assert spindle.feed_tooth_m(0.6 / 60) == pytest.approx(0.1e-3)
    assert spindle.cutting_speed_m_s == pytest.approx(0.942, abs=1e-3)


def test_a_worn_edge_needs_more_power_turns_less_steadily_and_shakes_more() -> None:
    spindle, cut = Spindle(), Cut()
    command, feed = np.full(3000, 335.0), np.full(3000, 0.006)
    new = observe(spindle, cut, command, feed, np.zeros(3000), np.random.default_rng(1))
    worn = observe(spindle, cut, command, feed, np.full(3000, 1.2), np.random.default_rng(1))
    assert np.median(worn["s.output_power"]) > np.median(new["s.output_power"]) + 30
    assert worn["s.acceleration"].std() > 1.3 * new["s.acceleration"].std()
    assert worn["s.vibration"].mean() > new["s.vibration"].mean()
    assert torque_ripple_nm(cut, np.array([2.0]), 0.0)[0] == pytest.approx(0.12)


def test_vibration_of_an_idle_spindle_is_its_own() -> None:
    assert vibration_rms_m_s2(np.array([0.0]), 0.0)[0] == pytest.approx(0.4)


def test_a_twins_run_is_of_the_mills_signals_and_within_their_limits() -> None:
    mill = MillTwin(1, MILL, "mill-1", ORIGIN_NS)
    runs = list(mill.runs(6))
    table = pa.concat_tables([run.table for run in runs])
    assert table.schema == POINTS_IN
    assert set(table.column("signal").unique().to_pylist()) == set(SIGNALS)
    for name in SIGNALS:
        signal = MILL.signal(name)
        rows = table.filter(pc.field("signal") == name)
        values = rows.column("value" if signal.kind == "gauge" else "code")
        assert values.null_count == 0
        low, high = pc.min_max(values).as_py().values()
        assert signal.low <= low <= high <= signal.high, name


def test_the_same_seed_gives_the_same_runs_and_another_machine_others() -> None:
    def tables(seed: int, thing: str) -> list[pa.Table]:
        return [run.table for run in MillTwin(seed, MILL, thing, ORIGIN_NS, stroke_m=0.02).runs(3)]

    assert tables(1, "mill-1") == tables(1, "mill-1")
    assert tables(1, "mill-1")[0].column("value") != tables(1, "mill-2")[0].column("value")


def test_tools_wear_from_run_to_run_and_are_changed_after_some_worn_runs() -> None:
    runs = list(MillTwin(3, MILL, "mill-1", ORIGIN_NS, stroke_m=0.03).runs(16, worn_runs=2))
    worn = [run.worn for run in runs]
    assert 3 <= sum(worn) <= 13
    assert all(b.flank_m > a.flank_m or a.worn for a, b in itertools.pairwise(runs))
    assert any(a.worn and not b.worn for a, b in itertools.pairwise(runs))


def test_runs_keep_their_distance_and_their_events_are_whole() -> None:
    runs = list(MillTwin(1, MILL, "mill-1", ORIGIN_NS, stroke_m=0.02).runs(4, spacing_s=600.0))
    starts = np.array([run.start_ns for run in runs])
    assert np.diff(starts).tolist() == [600 * 10**9] * 3
    for run in runs:
        event = run.labelled()
        kinds.check(event)
        assert event.body["label"] in ("worn", "unworn")
        assert (event.body["label"] == "worn") == run.worn


def test_a_step_of_a_second_says_ten_samples_and_without_a_program_only_that_it_is_idle() -> None:
    mill = MillTwin(1, MILL, "mill-1", ORIGIN_NS)
    idle = mill.step(5.0)
    assert set(idle.column("signal").to_pylist()) == {"machine.state"}
    mill.begin(0.006, 4e5)
    with pytest.raises(InputError, match="under way"):
        mill.begin(0.006, 4e5)
    second = mill.step(1.0)
    power = second.filter(pc.field("signal") == "s.output_power").column("t_ns").to_numpy()
    assert len(power) == 10
    assert power[0] == ORIGIN_NS + 5 * 10**9
    run = mill.finish()
    assert run.table.slice(0, second.num_rows) == second
    with pytest.raises(InputError, match="no run is under way"):
        mill.finish()


def test_a_run_cuts_at_its_feed_in_the_six_layers() -> None:
    run = next(MillTwin(1, MILL, "mill-1", ORIGIN_NS).runs(1))
    wide = {name: run.table.filter(pc.field("signal") == name) for name in ("program.feed", "machining.process")}
    feed = wide["program.feed"].column("value").to_numpy()
    process = wide["machining.process"].column("code").to_numpy()
    cutting = np.isin(process, list(CUTTING))
    assert set(np.round(feed[cutting], 6).tolist()) == {run.feed_m_s}
    assert run.finalized == (set(process[cutting].tolist()) == set(CUTTING))
