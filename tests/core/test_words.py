"""Types check themselves at birth, errors say what to do, kinds of events are known, plug-ins are found by file name."""

import pickle
import subprocess
import sys

import pyarrow as pa
import pytest

from loopwright.core import errors, kinds, plug
from loopwright.core.types import BLOCKS_IN, POINTS_IN, Batch, Event, Hop, Kind, Measure, Plan, Signal, Slot


def speed(**changes):
    row = {"name": "speed", "unit": "m/s", "kind": "gauge", "rate_hz": 10, "low": 0, "high": 5, "meaning": "How fast."}
    return Signal(**{**row, **changes})


def test_a_signal_refuses_a_unit_that_is_not_used_inside():
    with pytest.raises(errors.UnitError, match=r"signal 'speed': unit 'mph' is not used inside; allowed: 'm/s'"):
        speed(unit="mph")


@pytest.mark.parametrize("bad", [{"name": "Speed"}, {"name": "a/b"}, {"low": 5, "high": 5}, {"meaning": ""},
                                 {"kind": "state", "unit": ""}, {"kind": "number"}])
def test_a_signal_that_makes_no_sense_is_refused_at_birth(bad):
    with pytest.raises(errors.InputError):
        speed(**bad)


def test_fast_signals_are_those_of_fifty_hertz_or_with_a_shape():
    assert speed(rate_hz=50).fast
    assert speed(shape=(3,)).fast
    assert not speed(rate_hz=None).fast


def test_a_kind_knows_its_signals_and_suggests_the_nearest():
    kind = Kind("mill", "A mill.", (speed(),))
    with pytest.raises(errors.UnknownName, match="did you mean 'speed'"):
        kind.signal("sped")
    with pytest.raises(errors.InputError, match="stand twice"):
        Kind("mill", "A mill.", (speed(), speed()))


def test_a_batch_counts_numbers_not_rows():
    points = pa.table({n: [v] * 3 for n, v in zip(POINTS_IN.names, ["m", "s", 1, 0, 1.0, None, 0], strict=True)}, POINTS_IN)
    assert Batch("mqtt", "s", 0, points, refused={"unknown signal": 2}).samples == 5
    blocks = pa.table({"thing": ["m"], "signal": ["v"], "t_ns": [1], "dt_ns": [1], "values": [[1.0, 2.0, 3.0, 4.0]], "quality": [0]}, BLOCKS_IN)
    assert Batch("mqtt", "s", 0, blocks).samples == 4


def test_a_hop_prints_the_equation_with_its_own_names():
    row = Hop("mqtt", into=10, out=7, duplicate=1, refused={"unknown signal": 2}).as_dict()
    assert row["in"] == row["out"] + row["duplicate"] + row["refused"] + row["waiting"] + row["lost"]


def test_the_gap_of_a_plan_is_relative_to_its_value():
    plan = Plan(0, (Slot("o", "mill", "mill-1", 0, 100),), "feasible", "makespan", 100.0, 80.0, "hand", 0.0)
    assert (plan.makespan_s, plan.gap) == (100, pytest.approx(0.2))


def test_a_measure_must_be_a_number():
    with pytest.raises(errors.InputError, match="is not a number"):
        Measure("stature", float("nan"), "m")


def test_an_event_of_an_unknown_kind_or_with_a_missing_field_is_refused():
    with pytest.raises(errors.UnknownName, match=r"did you mean 'unit\.finished'"):
        kinds.check(Event("unit.finish", "u1", 0, "test"))
    with pytest.raises(errors.InputError, match="lacks owner"):
        kinds.check(Event("unit.claimed", "u1", 0, "test", {}))
    kinds.check(Event("unit.claimed", "u1", 0, "test", {"owner": "p1"}))


@pytest.mark.parametrize("error", [errors.InputError("a", "b", "c", "d"), errors.UnknownName("signal", "x", ["y"]),
                                   errors.MissingExtra("make", "ortools", "plan")])
def test_errors_travel_between_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_an_unknown_plug_in_lists_those_there_are():
    with pytest.raises(errors.UnknownName, match="mqtt"):
        plug.load("connect", "mqqt")
    with pytest.raises(errors.UnknownName, match="room with plug-ins"):
        plug.find("kitchen")


def test_importing_the_package_is_light():
    code = "import loopwright, sys; print(','.join(m for m in ('torch','ortools','nicegui','asyncua','pandas') if m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
