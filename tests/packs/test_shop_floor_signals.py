"""The mill's table covers every column of the recorded runs, in inside units."""

from __future__ import annotations

import math

import pytest

from loopwright.core.units import inside_unit, to_inside
from loopwright.packs.shop_floor.signals import COLUMNS, CUTTING, KINDS, MILL, PROCESS


def test_every_column_has_a_signal_of_the_mill_and_no_two_share_one() -> None:
    signals = [signal for signal, _ in COLUMNS.values()]
    assert len(COLUMNS) == 47  # 4 axes of 11 columns, less Z1_OutputPower, with S1_SystemInertia and three of M1
    assert len(set(signals)) == len(signals)
    for signal in signals:
        MILL.signal(signal)


def test_every_unit_of_a_column_measures_what_its_signal_is_declared_in() -> None:
    for column, (name, unit) in COLUMNS.items():
        signal = MILL.signal(name)
        assert signal.kind == "state" if not unit else inside_unit(unit) == signal.unit, column


def test_the_spindle_turns_3200_times_a_minute_when_the_file_says_53_33() -> None:
    """3,200 rpm is 335.1 rad/s (2 * pi * 3200 / 60)."""
    name, unit = COLUMNS["S1_ActualVelocity"]
    assert name == "s.velocity"
    assert to_inside(53.3333, unit) == pytest.approx(2 * math.pi * 3200 / 60, rel=1e-5)


def test_states_have_words_and_six_steps_cut() -> None:
    assert sorted(PROCESS[code] for code in CUTTING) == [f"Layer {n} {way}" for n in (1, 2, 3) for way in ("Down", "Up")]
    assert MILL.signal("machining.process").code_of("end") == MILL.signal("machining.process").code_of("End")
    assert set(MILL.signal("machine.state").codes.values()) == {"idle", "active", "setup", "down", "off"}


def test_the_kinds_are_mill_bench_and_gauge_and_each_says_what_it_does() -> None:
    assert [kind.name for kind in KINDS] == ["mill", "bench", "gauge"]
    for kind in KINDS:
        kind.signal("machine.state")
        kind.signal("part.count")


def test_what_inspection_found_is_no_signal() -> None:
    for kind in KINDS:
        assert not [s.name for s in kind.signals if "condition" in s.name or "worn" in s.name or "tool" in s.name]
