"""What the recorded runs of the University of Michigan's SMART lab hold, and that every value of them is accepted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from loopwright.core.types import Event
from loopwright.packs.shop_floor.runs import Placed, Run, labelled, place, points, read_runs
from loopwright.packs.shop_floor.signals import MILL
from loopwright.packs.shop_floor.wear import finished, measured, prediction


@pytest.fixture(scope="module")
def runs(shared_data: Path) -> tuple[Run, ...]:
    return read_runs(shared_data / "cnc_mill_wear")


@pytest.fixture(scope="module")
def placed(runs: tuple[Run, ...]) -> tuple[Placed, ...]:
    return place(runs, ["mill-1", "mill-2", "mill-3"], 1_767_600_000 * 10**9)


def every(runs: tuple[Run, ...], signal: str) -> np.ndarray:
    return np.concatenate([run.columns[signal] for run in runs])


def test_every_recorded_value_is_within_the_limits_of_its_signal(runs: tuple[Run, ...]) -> None:
    for name in runs[0].columns:
        signal, values = MILL.signal(name), every(runs, name)
        assert signal.low is not None
        assert signal.high is not None
        assert signal.low <= values.min() <= values.max() <= signal.high, name
        if signal.kind == "gauge" and values.any():
            margin = np.abs(values).max() / max(abs(signal.low), abs(signal.high))
            assert margin < 0.5, f"{name} has no honest margin"


def test_the_current_and_bus_voltage_columns_are_exchanged_in_the_header(runs: tuple[Run, ...]) -> None:
    """A three-phase motor under load gives 0.7 to 0.95 of sqrt(3) * U * I: so the column called DCBusVoltage is the current.
    The other stands at 325 V, which is 230 V mains rectified, also while the motor rests."""
    for axis in ("x", "y", "s"):
        power, volts = every(runs, f"{axis}.output_power"), every(runs, f"{axis}.output_voltage")
        loaded = power > np.quantile(power, 0.98)
        for signal, low, high in (("output_current", 0.7, 0.97), ("bus_voltage", 0.0, 0.01)):
            apparent = 3**0.5 * volts[loaded] * every(runs, f"{axis}.{signal}")[loaded]
            assert low < np.median(power[loaded] / apparent) < high
    bus, still = every(runs, "s.bus_voltage"), np.abs(every(runs, "s.velocity")) < 0.1
    assert np.median(bus) == pytest.approx(230 * 2**0.5, rel=0.02)
    assert np.median(bus[still]) == pytest.approx(230 * 2**0.5, rel=0.03)


def test_current_feedback_is_a_share_of_the_rated_current(runs: tuple[Run, ...]) -> None:
    """Equal motors on X and Y: their shares are the same multiple of their currents."""
    ratio = {}
    for axis in ("x", "y", "s"):
        share, amps = np.abs(every(runs, f"{axis}.current_feedback")), every(runs, f"{axis}.output_current")
        under_load = amps > 0.5 * amps.max()
        ratio[axis] = float(np.median(share[under_load] / amps[under_load]))
    assert ratio["x"] == pytest.approx(ratio["y"], rel=0.05)
    assert 0.1 < ratio["s"] < ratio["x"] < 1.0


def test_the_spindle_is_in_turns_because_its_position_grows_by_its_speed(runs: tuple[Run, ...]) -> None:
    position, speed = runs[0].columns["s.position"], runs[0].columns["s.velocity"]
    steps = np.diff(position)
    steady = (speed[1:] > 330) & (steps > 0)
    assert np.median(steps[steady]) == pytest.approx(np.median(speed[1:][steady]) * 0.1, rel=0.1)
    assert np.abs(every(runs, "s.position")).max() / (2 * np.pi) == pytest.approx(2**31 / 1e6, rel=2e-3)


def test_all_eighteen_thousand_rows_become_points_quickly(placed: tuple[Placed, ...]) -> None:
    rows = sum(one.run.rows for one in placed)
    assert rows == 18_104
    assert sum(points(one).num_rows for one in placed) > 49 * rows


@pytest.mark.slow
def test_worn_tools_are_told_from_unworn_ones_on_runs_that_were_not_seen(placed: tuple[Placed, ...]) -> None:
    """Nested leave-one-run-out; 12 of 13 when this was written. A fall below 10 is a regression of features or models."""
    tables = {one.thing: [] for one in placed}  # type: ignore[var-annotated]
    for one in placed:
        tables[one.thing].append((one.start_ns, points(one)))

    def fetch(thing, signals, start_ns, end_ns):  # type: ignore[no-untyped-def]
        return next(table for begins_ns, table in tables[thing] if begins_ns == start_ns)

    labels: tuple[Event, ...] = labelled(placed)
    rows = measured(finished(labels), fetch)
    said = prediction(rows, labels, known_by_ns=2 * 10**18)
    nested, base = said["evaluation"]["nested"], said["evaluation"]["baseline"]
    assert len(said["runs"]) == 13
    assert nested["correct"] >= 10
    assert base["correct"] <= 7
    assert said["evaluation"]["better_than_baseline"]
    assert all(judged["seen"] for judged in said["runs"].values())
