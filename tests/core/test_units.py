"""Golden factors: NIST SP 811 (2008), appendix B.8."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.core import units
from loopwright.core.errors import UnitError

NIST = [("mph", 0.44704), ("in", 0.0254), ("yd", 0.9144), ("lb", 0.45359237), ("oz", 0.028349523125),
        ("deg", 0.017453292519943295), ("rpm", 0.10471975511965977), ("kWh", 3.6e6), ("bar", 1e5), ("km/h", 1 / 3.6)]


@pytest.mark.parametrize(("name", "factor"), NIST)
def test_a_unit_converts_by_the_factor_of_nist(name, factor):
    assert units.to_inside(1.0, name) == pytest.approx(factor, rel=1e-12)


def test_water_freezes_and_boils_where_it_should():
    assert units.to_inside(32.0, "degF") == pytest.approx(0.0, abs=1e-9)
    assert units.to_inside(212.0, "degF") == pytest.approx(100.0)
    assert units.to_inside(273.15, "K") == pytest.approx(0.0, abs=1e-9)


@given(st.sampled_from(sorted(units.UNITS)), st.floats(-1e6, 1e6))
def test_there_and_back_gives_the_same_number(name, value):
    back = units.from_inside(units.to_inside(value, name), name)
    assert math.isclose(back, value, rel_tol=1e-9, abs_tol=1e-9)


def test_every_quantity_has_exactly_one_unit_inside():
    for quantity, name in units.INSIDE.items():
        assert units.UNITS[name].quantity == quantity
        assert (units.UNITS[name].factor, units.UNITS[name].offset) == (1.0, 0.0)


def test_a_wrong_unit_says_what_is_allowed():
    with pytest.raises(UnitError, match="'deg/s' is not used inside; allowed: 'rad/s'"):
        units.require_inside("deg/s", "signal club-17/gyro")
    with pytest.raises(UnitError, match="did you mean 'mm'"):
        units.unit("MM")
    with pytest.raises(UnitError, match="measures length, not speed"):
        units.convert(1.0, "m", "mph")


def test_two_hundred_yards_are_182_88_metres():
    assert units.convert(200.0, "yd", "m") == pytest.approx(182.88)
