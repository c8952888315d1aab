"""The twins of process and gauge do what their numbers say."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import pytest

from loopwright.core.errors import InputError
from loopwright.core.types import Design, Parameter
from loopwright.twins.gauge import OUTLIER_CHANCE, OUTLIER_SIGMAS, WEAR_SIGMAS, Gauge, Process


@dataclass(frozen=True)
class Width:
    parameter: str
    process_sigma: float


WIDTHS = [Width("loft", 0.003), Width("length", 0.0008)]
DESIGN = Design("iron/o-1@r0", "iron", "r0", (
    Parameter("loft", 0.6, "rad", None, None, "loft@r0", "test"),
    Parameter("length", 0.94, "m", None, None, "length@r0", "test"),
    Parameter("shaft_flex", "R", "", None, None, "flex@r0", "test"),
))


def deviations(seed: int, count: int, wear: float = 0.0) -> list[float]:
    process = Process(seed, WIDTHS)
    return [(process.make(DESIGN, f"u{n}", wear)["loft"] - 0.6) / 0.003 for n in range(count)]


def test_units_scatter_around_the_design_with_the_spread_of_the_process() -> None:
    drawn = deviations(1, 4000)
    usual = [d for d in drawn if abs(d) < 3.5]
    assert abs(statistics.mean(usual)) < 0.05  # 3 standard errors of 4000 draws
    assert statistics.stdev(usual) == pytest.approx(1.0, abs=0.04)


def test_now_and_then_a_unit_is_far_out() -> None:
    far = sum(abs(d) > 3.5 for d in deviations(2, 4000))
    expected = 4000 * OUTLIER_CHANCE * 0.98  # of U(4, 14) + N(0, 1), 98 % lie beyond 3.5
    assert OUTLIER_SIGMAS == (4.0, 14.0)
    assert 0.5 * expected < far < 1.6 * expected  # Poisson, 39 expected: 3 standard deviations


def test_a_worn_tool_shifts_what_it_makes() -> None:
    sharp, worn = deviations(3, 300), deviations(3, 300, wear=0.5)
    assert [w - s for s, w in zip(sharp, worn, strict=True)] == pytest.approx([0.5 * WEAR_SIGMAS] * 300)
    with pytest.raises(InputError, match="worn out"):
        deviations(3, 1, wear=1.5)


def test_a_unit_comes_out_the_same_whatever_was_made_before_it() -> None:
    process = Process(4, WIDTHS)
    first = process.make(DESIGN, "u1")
    process.make(DESIGN, "u2")
    assert Process(4, WIDTHS).make(DESIGN, "u1") == process.make(DESIGN, "u1") == first
    assert process.make(DESIGN, "u1#2") != first
    assert Process(5, WIDTHS).make(DESIGN, "u1") != first
    assert set(first) == {"loft", "length"}


def test_the_gauge_reads_the_truth_with_its_own_spread_and_repeats_a_reading_exactly() -> None:
    gauge = Gauge(7, {"loft": 0.001})
    readings = [gauge.measure({"loft": 0.6}, n)["loft"] - 0.6 for n in range(1, 2001)]
    assert abs(statistics.mean(readings)) < 0.0001
    assert statistics.stdev(readings) == pytest.approx(0.001, rel=0.06)
    assert gauge.measure({"loft": 0.6}) == Gauge(7, {"loft": 0.001}).measure({"loft": 0.6}, reading=1)
    with pytest.raises(InputError, match="no sigma for"):
        gauge.measure({"mass": 1.0})
