"""Control charts and capability against the NIST/SEMATECH e-Handbook and Montgomery's examples."""

from __future__ import annotations

import pytest

from loopwright.core.errors import InputError
from loopwright.make.spc import capability, capability_of, chi_square, individuals, western_electric

# NIST/SEMATECH e-Handbook 6.3.2.2, example of an individuals chart: flow rates of ten batches
NIST = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]


def test_the_individuals_chart_of_the_handbook_is_met() -> None:
    chart = individuals(NIST)
    assert chart.centre == pytest.approx(50.81)
    assert chart.range_centre == pytest.approx(1.8778, abs=5e-5)
    assert (chart.high, chart.low) == pytest.approx((55.8041, 45.8159), abs=5e-5)
    assert chart.stable  # "the process is in control, since none of the plotted points fall outside"


def test_limits_come_from_the_baseline_and_judge_what_follows() -> None:
    chart = individuals([*NIST, 60.0], baseline=10)
    assert chart.high == pytest.approx(55.8041, abs=5e-5)
    assert [(s.at, s.rule) for s in chart.signals if s.rule == 1] == [(10, 1)]
    assert chart.wide_ranges == (9,)  # 60.0 - 52.1 = 7.9 is above 3.267 * 1.8778 = 6.13
    assert not chart.stable


@pytest.mark.parametrize(
    ("deviations", "expected"),
    [
        ([0, 3.1], [(1, 1)]), ([0, -3.1], [(1, 1)]), ([0, 3.0], []),
        ([2.1, 0, 2.1], [(2, 2)]), ([2.1, 0, -2.1], []), ([2.1, 0, 0, 2.1], []),
        ([1.1, 1.1, 0, 1.1, 1.1], [(4, 3)]), ([1.1, -0.1, 0, 1.1, 1.1], []),
        ([0.1] * 8, [(7, 4)]), ([0.1] * 7 + [-0.1], []), ([-0.1] * 9, [(7, 4), (8, 4)]),
    ],
)
def test_the_western_electric_rules_signal_what_the_handbook_says(deviations: list[float], expected: list[tuple[int, int]]) -> None:
    assert [(s.at, s.rule) for s in western_electric(deviations, 1.0)] == expected


def test_the_capability_of_the_handbook_is_met() -> None:
    # NIST/SEMATECH e-Handbook 6.1.6: USL 20, LSL 8, mean 16, s 2 gives Cp 1.0 and Cpk 0.6667
    able = capability_of(50, 16.0, 2.0, 8.0, 20.0)
    assert (able.cp, able.cpk) == pytest.approx((1.0, 0.6667), abs=5e-5)


def test_the_intervals_of_montgomery_are_met() -> None:
    # Montgomery, Introduction to Statistical Quality Control, 8.3.5: USL 62, LSL 38, n 20, s 1.75: 1.57 <= Cp <= 3.01;
    # and n 20, Cpk 1.33: 0.88 <= Cpk <= 1.78 (the books round to 1.77 or 1.78)
    able = capability_of(20, 50.0, 1.75, 38.0, 62.0)
    assert (able.cp_low, able.cp_high) == pytest.approx((1.57, 3.01), abs=0.006)  # the book rounds Cp to 2.29 first
    centred = capability_of(20, 0.0, 1.0, -3.99, 3.99)
    assert (centred.cpk_low, centred.cpk_high) == pytest.approx((0.88, 1.775), abs=0.01)


@pytest.mark.parametrize(("p", "free", "value"), [(0.025, 19, 8.907), (0.975, 19, 32.852), (0.95, 1, 3.841), (0.05, 100, 77.929), (0.975, 7, 16.013)])
def test_chi_square_quantiles_are_those_of_the_tables(p: float, free: int, value: float) -> None:
    # NIST/SEMATECH e-Handbook 1.3.6.7.4, critical values of the chi-square distribution
    assert chi_square(p, free) == pytest.approx(value, abs=6e-4)


def test_too_few_values_and_values_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="7 values"):
        capability([1.0, 2.0] * 3 + [1.0], 0, 3)
    with pytest.raises(InputError, match="5 values"):
        individuals([1.0] * 5)
    with pytest.raises(InputError, match="value 2 is nan"):
        individuals([1.0, 2.0, float("nan")] + [1.0] * 8)
    with pytest.raises(InputError, match=r"sigma 0\.0"):
        capability([1.0] * 9, 0, 3)
